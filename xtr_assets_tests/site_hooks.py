"""What MkDocs is told about docs/ beyond mkdocs.yml, so that the pages stay as GitHub shows them.

Files outside of docs/ that a page points at come along, under repository/. Lists and tables that follow a line at once
are set off, as Python-Markdown wants it and CommonMark does not. Drawings stand in the page itself, so that they take
the colours of the day or the night that a reader chose.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from posixpath import normpath, relpath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

DOCS = "docs"
# Where files of the repository stand in the site.
OUTSIDE = "repository"
# A fenced block, a span of code, or a link with its target.
PART = re.compile(r"^```.*?^```[^\n]*$|`(?:[^`\n]|\n(?!\n))+`|(!?\[[^\]]*\]\()([^)\s]+)(\))", re.MULTILINE | re.DOTALL)
FENCED = re.compile(r"^(```.*?^```[^\n]*\n?)", re.MULTILINE | re.DOTALL)
DRAWING = re.compile(r'<img alt="([^"]*)" src="([^"]*figures/drawn-[\w-]+\.svg)"\s*/?>')


def on_files(files: "Files", config: "MkDocsConfig") -> "Files":
    """docs/, and every file outside of it that a page leads to, over however many steps."""
    from mkdocs.structure.files import File

    root = root_of(config)
    waiting = [f"{DOCS}/{file.src_uri}" for file in files.documentation_pages()]
    known = set(waiting)
    while waiting:
        for target in targets(root, waiting.pop()):
            if target in known or target.startswith(f"{DOCS}/"):
                continue
            known.add(target)
            files.append(File.generated(config, in_site(target), abs_src_path=str(root / target)))
            if target.endswith(".md"):
                waiting.append(target)
    return files


def on_page_markdown(markdown: str, page: "Page", config: "MkDocsConfig", files: "Files") -> str:
    """The page with its links as the site has them, and its blocks set off."""
    return set_off(relinked(root_of(config), markdown, in_repository(page.file.src_uri)))


def on_page_content(html: str, page: "Page", config: "MkDocsConfig", files: "Files") -> str:
    """The page with its drawings in it."""
    folder = Path(config.docs_dir) / Path(page.file.src_uri).parent

    def drawn(found: re.Match[str]) -> str:
        svg = (folder / found[2]).read_text("utf-8")
        start = svg.index("<svg") + len("<svg")
        # Its own words for day and night are for a picture by itself; here the page decides.
        body = re.sub(r"@media[^{]*\{(?:[^{}]*\{[^{}]*\})*\s*\}", "", svg[start:])
        return f'<svg role="img" aria-label="{found[1]}"{body}'

    return DRAWING.sub(drawn, html)


def root_of(config: "MkDocsConfig") -> Path:
    """The repository: where mkdocs.yml lies."""
    return Path(config.config_file_path).resolve().parent


def targets(root: Path, page: str) -> Iterator[str]:
    """Files of the repository that a page links to; page : from the root."""
    for found in PART.finditer((root / page).read_text("utf-8")):
        if found[2] and (target := resolved(root, found[2], page)[0]):
            yield target


def resolved(root: Path, link: str, page: str) -> tuple[str | None, str]:
    """The file a link leads to, from the root, and what stands behind its #; no file for an address or an anchor."""
    name, hash_sign, anchor = link.partition("#")
    if not name or re.match(r"[a-z]+:", name):
        return None, ""
    target = normpath(f"{Path(page).parent.as_posix()}/{name}")
    if target.startswith(".."):
        return None, ""
    if (root / target).is_dir():
        target += "/README.md"
    # What is not there stays as it is: MkDocs tells of it.
    return (target if (root / target).is_file() else None), hash_sign + anchor


def relinked(root: Path, markdown: str, page: str) -> str:
    """The text with links to other places of the site than GitHub's where these differ."""

    def own(found: re.Match[str]) -> str:
        target, anchor = resolved(root, found[2], page) if found[2] else (None, "")
        if target is None:
            return found[0]
        start = Path(in_site(page)).parent.as_posix()
        return f"{found[1]}{relpath(in_site(target), start)}{anchor}{found[3]}"

    return PART.sub(own, markdown)


def in_site(path: str) -> str:
    """Where a file of the repository stands in the site's sources.

    >>> in_site("docs/dev/style.md"), in_site("deploy/README.md")
    ('dev/style.md', 'repository/deploy/README.md')
    """
    inside, _, rest = path.partition("/")
    return rest if inside == DOCS else f"{OUTSIDE}/{path}"


def in_repository(path: str) -> str:
    """The other way.

    >>> in_repository("dev/style.md"), in_repository("repository/deploy/README.md")
    ('docs/dev/style.md', 'deploy/README.md')
    """
    return path.removeprefix(f"{OUTSIDE}/") if path.startswith(f"{OUTSIDE}/") else f"{DOCS}/{path}"


def set_off(markdown: str) -> str:
    """An empty line before a list or a table that follows a line of something else.

    >>> set_off("Some:\\n- one\\n- two\\n")
    'Some:\\n\\n- one\\n- two\\n'
    """
    return "".join(part if part.startswith("```") else _set_off(part) for part in FENCED.split(markdown))


def _set_off(text: str) -> str:
    lines: list[str] = []
    for line in text.splitlines(keepends=True):
        before = lines[-1] if lines else "\n"
        for begins, goes_on in ((r"[-*] |1\. ", r"[-*] |\d+\. | "), (r"\|", r"\|")):
            if re.match(begins, line) and before.strip() and not re.match(goes_on, before):
                lines.append("\n")
        lines.append(line)
    return "".join(lines)
