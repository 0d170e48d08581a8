"""Small books (EPUB) and texts of OpenDocument, written part by part."""

import io
import zipfile
from collections.abc import Mapping, Sequence

_CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)
_ODF = "urn:oasis:names:tc:opendocument:xmlns:"
_SPACES = " ".join(
    f'xmlns:{name}="{_ODF}{space}:1.0"'
    for name, space in (
        *((one, one) for one in ("office", "text", "table", "style")),
        ("draw", "drawing"),
        ("svg", "svg-compatible"),
    )
)

# Names of entries, each with the number of its chapter, from 1, and what stands below it.
Contents = Sequence[tuple[str, int, "Contents"]]


def zipped(parts: Mapping[str, str | bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return file.getvalue()


def chapter(body: str, title: str = "The book") -> str:
    """A chapter of XHTML."""
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE html>\n<html xmlns="http://www.w3.org/1999/xhtml" '
        f'xmlns:epub="http://www.idpf.org/2007/ops"><head><title>{title}</title></head><body>{body}</body></html>'
    )


def book(
    bodies: Sequence[str], contents: Contents = (), *, old: bool = False, more: Mapping[str, str | bytes] | None = None
) -> bytes:
    """An EPUB of chapters; `old` writes the table of contents of EPUB 2."""
    names = [f"c {number}.xhtml" for number in range(1, len(bodies) + 1)]
    items = "".join(
        f'<item id="i{number}" href="{name.replace(" ", "%20")}" media-type="application/xhtml+xml"/>'
        for number, name in enumerate(names, 1)
    )
    kind = 'media-type="application/x-dtbncx+xml"' if old else 'properties="nav" media-type="application/xhtml+xml"'
    spine = "".join(f'<itemref idref="i{number}"/>' for number in range(1, len(bodies) + 1))
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf"><manifest>'
        f'{items}<item id="toc" href="toc" {kind}/></manifest><spine>{spine}</spine></package>'
    )
    if old:
        toc = f'<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap>{_points(contents)}</navMap></ncx>'
    else:
        toc = chapter(f'<nav epub:type="toc">{_list(contents)}</nav>')
    parts: dict[str, str | bytes] = {"META-INF/container.xml": _CONTAINER, "OPS/book.opf": package, "OPS/toc": toc}
    parts |= {f"OPS/{name}": chapter(body) for name, body in zip(names, bodies, strict=True)}
    return zipped({**parts, **(more or {})})


def _points(contents: Contents) -> str:
    return "".join(
        f'<navPoint><navLabel><text>{name}</text></navLabel><content src="c%20{at}.xhtml#x"/>'
        f"{_points(below)}</navPoint>"
        for name, at, below in contents
    )


def _list(contents: Contents) -> str:
    items = (f'<li><a href="c%20{at}.xhtml">{name}</a>{_list(below)}</li>' for name, at, below in contents)
    return f"<ol>{''.join(items)}</ol>" if contents else ""


NOVEL_CHAPTERS = (
    "<h1>The Keeper</h1><p>by Somebody</p>",
    "<h1>Part one</h1>",
    "<h2>Of lamps</h2><p>A lamp burns oil&#160;all night.</p><script src='x'/><p>It is trimmed at dawn.</p>",
    "<p>No heading stands above this fog.</p><svg><text>no</text></svg><h2>Later</h2><p>The fog lifted.</p>",
    "<h2>Of gulls</h2><table><tr><td>gull</td><td>white</td></tr></table><p>A gull cries.</p>",
)
NOVEL_CONTENTS: Contents = (
    ("Title page", 1, ()),
    ("Part the first", 2, (("Of lamps", 3, ()), ("A letter", 4, ()))),
    ("Of gulls", 5, ()),
)
NOVEL = book(NOVEL_CHAPTERS, NOVEL_CONTENTS)


def odt(body: str, *, styles: str = "", automatic: str = "", more: Mapping[str, str | bytes] | None = None) -> bytes:
    """A text of OpenDocument; `styles` stands in styles.xml, `automatic` are styles of the content."""
    content = (
        f"<office:document-content {_SPACES}><office:automatic-styles>{automatic}</office:automatic-styles>"
        f"<office:body><office:text>{body}</office:text></office:body></office:document-content>"
    )
    parts = {
        "content.xml": content,
        "styles.xml": f"<office:document-styles {_SPACES}>{styles}</office:document-styles>",
    }
    return zipped({"mimetype": "application/vnd.oasis.opendocument.text", **parts, **(more or {})})


def note(text: str) -> str:
    return (
        '<text:note text:note-class="footnote"><text:note-citation>1</text:note-citation>'
        f"<text:note-body><text:p>{text}</text:p></text:note-body></text:note>"
    )


def heading(level: int, text: str) -> str:
    return f'<text:h text:outline-level="{level}">{text}</text:h>'


LETTER = odt(
    "<text:tracked-changes><text:changed-region><text:deletion><text:p>gone</text:p></text:deletion>"
    "</text:changed-region></text:tracked-changes>"
    '<text:p text:style-name="P1">Harbour rules</text:p>'
    + heading(1, "Mooring")
    + f'<text:p>Tie <text:span>two<text:s text:c="2"/>ropes</text:span>,{note("Hemp is best.")} then wait.</text:p>'
    + "<text:list><text:list-item><text:p>First the bow</text:p></text:list-item></text:list>"
    + heading(2, "At night")
    + "<table:table><table:table-row><table:table-cell><text:p>lamp</text:p></table:table-cell><table:table-cell>"
    + f"<text:p>red{note('Never green.')}</text:p></table:table-cell></table:table-row></table:table>"
    + "<text:p>Seen<draw:frame><draw:text-box><text:p>In a box</text:p></draw:text-box><svg:desc>no</svg:desc>"
    + "</draw:frame><office:annotation><text:p>no</text:p></office:annotation> from afar</text:p>",
    automatic='<style:style style:name="P1" style:parent-style-name="Title"/>',
    styles="<office:master-styles><style:master-page><style:header><text:p>Harbour<text:page-number>1</text:page-number>"
    "</text:p></style:header></style:master-page></office:master-styles>",
)
