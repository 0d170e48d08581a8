"""`search --open`, links of places, and faces of what answers."""

import re
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from xtr_assets.cli import hit_list
from xtr_assets.cli.editor import editor_command, file_of, open_hit
from xtr_assets.config import IndexConfig, load_config
from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.notebook_table import html_table
from xtr_assets.search import Searcher
from xtr_assets.search.hit_table import Hits
from xtr_assets.search.hits import Hit
from xtr_assets_tests.cli.conftest import Command


@pytest.fixture
def found(built: Path) -> tuple[Hit, IndexConfig]:
    config = load_config(built / "xtr.yaml")
    with Searcher(config.warehouse, "cpu") as searcher:
        return searcher.search("zebra stripes", k=1)[0], config


def edited(hit: Hit, **changes: object) -> Hit:
    from dataclasses import replace

    return replace(hit, **changes)  # type: ignore[arg-type]


def test_the_file_of_a_hit_is_that_of_its_source_or_none(found: tuple[Hit, IndexConfig], tmp_path: Path) -> None:
    hit, config = found
    file = file_of(hit, config)
    assert file is not None and file.name == "animals.md" and file.is_absolute()
    assert file_of(hit, None) is None
    assert file_of(edited(hit, source="other"), config) is None
    assert file_of(edited(hit, path="gone.md"), config) is None
    # A path that a stranger wrote leads nowhere else.
    (config.sources[0].folder.parent / "secret.md").write_text("secret")
    for path in ("../secret.md", "/etc/passwd", "../../etc/passwd", "a\0b", "x" * 5000, ""):
        assert file_of(edited(hit, path=path), config) is None, path


def test_an_editor_is_given_the_line_as_it_takes_it() -> None:
    file = Path("/a/b c.md")
    assert editor_command("nvim -R", file, 3) == ["nvim", "-R", "+3", "/a/b c.md"]
    assert editor_command("cursor", file, 3) == ["cursor", "-g", "/a/b c.md:3"]
    assert editor_command("subl -w", file, 3) == ["subl", "-w", "/a/b c.md:3"]
    assert editor_command("my-editor", file, 3) == ["my-editor", "/a/b c.md"]


def test_a_search_opens_the_hit_of_a_rank(
    run: Command, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    told = tmp_path / "told"
    script = f"import sys, pathlib; pathlib.Path({str(told)!r}).write_text(sys.argv[-1])"
    monkeypatch.setenv("EDITOR", f'{sys.executable} -c "{script}"')
    result = run("search", "zebra stripes", "-k", "1", "--open", "1")
    assert result.exit_code == 0, result.output
    assert told.read_text() == str((built / "guide" / "animals.md").resolve())
    assert run("search", "zebra stripes", "-k", "1", "--open", "2").exit_code == 2


def test_without_an_editor_or_a_file_it_is_said(
    found: tuple[Hit, IndexConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    hit, config = found
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", " ")
    with pytest.raises(InvalidInput, match="no editor is known"):
        open_hit(hit, config)
    monkeypatch.setenv("EDITOR", "no-such-editor-here")
    with pytest.raises(InvalidInput, match="could not be started"):
        open_hit(hit, config)
    with pytest.raises(InvalidInput, match="is not here; --config"):
        open_hit(hit, None)


def test_a_searcher_shows_what_answers_also_when_it_is_closed(built: Path) -> None:
    config = load_config(built / "xtr.yaml")
    searcher = Searcher(config.warehouse, "cpu")
    assert repr(searcher).startswith(f"Searcher({config.warehouse}, generation 1, ") and "hybrid" in repr(searcher)
    assert "hashing-64-32" in searcher._repr_html_() and "<td" in searcher._repr_html_()
    searcher.close()
    assert repr(searcher) == "Searcher(closed)" and "closed" in searcher._repr_html_()


def test_no_text_of_a_stranger_is_html() -> None:
    shown = html_table("<b>", {"<i>": "<script>alert(1)</script>", "long": "x" * 10_000})
    assert "<script" not in shown and "<b>" not in shown and "<i>" not in shown and len(shown) < 1000


def test_a_terminal_shows_links_and_met_words_and_a_pipe_neither(
    found: tuple[Hit, IndexConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    hit, config = found

    def written(terminal: bool) -> str:
        out = StringIO()
        made = Console(file=out, force_terminal=terminal, width=120, color_system="standard" if terminal else None)
        monkeypatch.setattr(hit_list, "console", lambda: made)
        hit_list.show_hits("zebras", Hits([hit]), "one", config=config)
        return out.getvalue()

    shown = written(True)
    file = file_of(hit, config)
    assert file is not None and f";{file.as_uri()}\x1b\\" in shown
    assert re.search(r"\x1b\[1;33mzebra\x1b\[0m", shown)
    assert "\x1b" not in written(False) and "animals.md:" in written(False)
