"""A hit in the editor of the person who asked: which file it is, and how editors are told the line."""

import os
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from xtr_assets.core.errors import InvalidInput

if TYPE_CHECKING:
    from xtr_assets.config import IndexConfig
    from xtr_assets.search.hits import Hit

# How each is given a line; of others only the file is said.
AFTER = ("hx", "helix", "subl", "zed", "lapce")
GOTO = ("code", "code-insiders", "codium", "cursor", "windsurf")
PLUS = ("vi", "vim", "nvim", "gvim", "nano", "emacs", "emacsclient", "micro", "kak", "joe", "gedit", "mcedit")


def file_of(hit: "Hit", config: "IndexConfig | None") -> Path | None:
    """The file that a hit points at; None where it is not here: its source is unknown, no folder, or moved away."""
    source = next((one for one in (config.sources if config else ()) if one.name == hit.source), None)
    if source is None or not isinstance(source.path, Path):
        return None
    file = source.path if source.path.is_file() else source.path / hit.path
    try:
        # A path of a warehouse that somebody else wrote leads nowhere but below its source.
        inside = file.resolve().is_relative_to(source.path.resolve())
        return file.resolve() if inside and file.is_file() else None
    except (OSError, ValueError):
        return None


def editor_command(editor: str, file: Path, line: int) -> list[str]:
    """The arguments of an editor.

    >>> editor_command("code --wait", Path("/a/b.py"), 7)
    ['code', '--wait', '-g', '/a/b.py:7']
    >>> editor_command("/usr/bin/vim", Path("/a/b.py"), 7)
    ['/usr/bin/vim', '+7', '/a/b.py']
    """
    words = shlex.split(editor)
    name = Path(words[0]).stem if words else ""
    if name in GOTO:
        return [*words, "-g", f"{file}:{line}"]
    if name in AFTER:
        return [*words, f"{file}:{line}"]
    return [*words, f"+{line}", str(file)] if name in PLUS else [*words, str(file)]


def open_hit(hit: "Hit", config: "IndexConfig | None") -> None:
    """Open the hit in $VISUAL or $EDITOR and wait until that ends. Raises InvalidInput where it cannot be."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ""
    if not editor.strip():
        raise InvalidInput("no editor is known; set $VISUAL or $EDITOR, e.g. EDITOR='code --wait'")
    file = file_of(hit, config)
    if file is None:
        raise InvalidInput(
            f"{hit.path} of source {hit.source!r} is not here; --config names the xtr.yaml of its sources"
        )
    try:
        subprocess.run(editor_command(editor, file, hit.start_line), check=False)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"the editor {editor!r} could not be started ({error}); set $VISUAL or $EDITOR") from error
