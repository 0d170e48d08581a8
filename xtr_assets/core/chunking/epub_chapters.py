"""What an EPUB says, chapter by chapter in the order of its spine; each is read as an HTML page is (html_page.py)."""

import codecs
import html
import posixpath
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from urllib.parse import unquote

from lxml import etree

from xtr_assets.core.chunking.blocks import Block, DocumentRefused
from xtr_assets.core.chunking.html_page import SILENT, html_blocks
from xtr_assets.core.chunking.line_spans import normalize_newlines
from xtr_assets.core.chunking.office_package import Package, read_package

_PAGES = frozenset({"application/xhtml+xml", "text/html", "text/x-oeb1-document", "application/x-dtbook+xml"})
_NCX = "application/x-dtbncx+xml"
# The title of each chapter is that of the book, mostly.
_SILENT = SILENT | {"title"}
# Fonts are made unreadable to programs that are no readers; whoever reads the text needs no font.
_OF_FONTS = frozenset({"http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"})
_PROTECTION = {
    "META-INF/rights.xml": "Adobe ADEPT",
    "META-INF/sinf.xml": "Apple FairPlay",
    "META-INF/license.lcpl": "Readium LCP",
}
_VOID_TAGS = "area base br col embed hr img input link meta param source track wbr"
_VOID = frozenset(_VOID_TAGS.split())
_EMPTY = re.compile(
    r"<!--.*?-->|<!\[CDATA\[(?P<held>.*?)\]\]>|<\?.*?\?>"
    r"|<(?P<name>[A-Za-z][^\s/<>]*+)(?P<rest>(?:\s++[^\s=/<>\"']++(?:\s*+=\s*+(?:\"[^\"]*+\"|'[^']*+'))?+)*+)\s*+/>",
    re.DOTALL,
)
# A formula is one by whatever name its namespace goes.
_PREFIXED = re.compile(r"<(/?)[A-Za-z][\w.-]*:(?=[A-Za-z])")
# In these HTML knows no tags, and XML does.
_LITERAL = re.compile(r"<(/?)(?:textarea|xmp|plaintext|listing)\b", re.IGNORECASE)
_DOCTYPE = re.compile(r"<!DOCTYPE[^>\[]*(?:\[.*?\]\s*)?>", re.IGNORECASE | re.DOTALL)
_DECLARED = re.compile(rb"<\?xml[^>]*\bencoding\s*=\s*[\"']([\w.-]+)[\"']")
# By Python's own decoders 2 MB of these take a minute, and four times as much an hour.
_OF_HOSTS = frozenset({"punycode", "idna"})
_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
# Levels of headings.
_DEEPEST = 9


def epub_chapters(data: bytes) -> list[Block]:
    """The blocks of a book; places are numbers of its chapters, in the order of the spine, from 1.

    Where the table of contents names a chapter, its first heading stands under what the entries above it say; one that
    begins with no heading stands under its own entry, too. Raises DocumentRefused.
    """
    found = read_package(data, "EPUB", "EPUB", "program for books", _blocks)
    if not found:
        raise DocumentRefused(
            "no-text", "no text in any chapter: most likely pictures of pages; recognize their text first"
        )
    return found


def _blocks(package: Package) -> Iterator[Block]:
    main = _attribute(_parsed(package.raw("META-INF/container.xml")), "rootfile", "full-path")
    folder, book = posixpath.dirname(main), _parsed(package.raw(main))
    items = {one.get("id", ""): one for one in book.iter("{*}item")}
    spine = book.find("{*}spine")
    if spine is None:
        raise ValueError("its package document has no spine")
    order = [items[one.get("idref", "")] for one in spine.iterchildren("{*}itemref")]
    places = [_place(folder, one.get("href", "")) for one in order]
    _refuse_protected(package, frozenset(places))
    names = _contents(package, folder, items.values())
    read: set[str] = set()
    moved = 0
    for number, (item, place) in enumerate(zip(order, places, strict=True), 1):
        if item.get("media-type", "") not in _PAGES or place in read:
            continue
        read.add(place)
        blocks = html_blocks(_page(package.raw(place)), _SILENT)
        highest = 1
        if blocks and place in names:
            silent, moved, highest = _named(names[place], blocks)
            yield from (Block(number, number, -depth, name) for depth, name in silent)
        for one in blocks:
            level = one.level and min(_DEEPEST, max(highest, one.level + moved))
            yield Block(number, number, level, one.text)


def _named(names: Sequence[str], blocks: Sequence[Block]) -> tuple[list[tuple[int, str]], int, int]:
    """The names (depth, name) that a chapter stands under and does not say itself; how much deeper its headings are
    than their tags, the first being as deep as the table of contents has it; and the highest level that they have.

    names : those of the entries above its own, and its own.
    """
    depth = len(names)
    first = next((one for one in blocks if one.level), None)
    headed = blocks[0].level > 0
    own = headed or (first is not None and first.text.split() == names[-1].split())
    highest = min(_DEEPEST, depth if own else depth + 1)
    said = list(enumerate(names[:-1] if headed else names, 1))
    return said, 0 if first is None else highest - first.level, highest


def _refuse_protected(package: Package, places: frozenset[str]) -> None:
    """Raises DocumentRefused for a book of which a chapter is encrypted."""
    if "META-INF/encryption.xml" not in package.names:
        return
    for one in _parsed(package.raw("META-INF/encryption.xml")).iter("{*}EncryptedData"):
        method, reference = one.find("{*}EncryptionMethod"), one.find(".//{*}CipherReference")
        algorithm = "" if method is None else method.get("Algorithm", "")
        place = "" if reference is None else _place("", reference.get("URI", ""))
        if algorithm not in _OF_FONTS and place in places:
            by = next((said for name, said in _PROTECTION.items() if name in package.names), "unknown protection")
            raise DocumentRefused("encrypted", f"its chapter {place} is encrypted ({by}); save it without protection")


def _contents(package: Package, folder: str, items: Collection[etree._Element]) -> Mapping[str, tuple[str, ...]]:
    """By chapter, what the table of contents calls it where it names it first, below the names that it stands under."""
    found: dict[str, tuple[str, ...]] = {}
    # That of EPUB 3 is a page; the older one is read where there is none.
    tables = [one for one in items if "nav" in one.get("properties", "").split()]
    tables += [one for one in items if one.get("media-type", "") == _NCX]
    for table in tables:
        place = _place(folder, table.get("href", ""))
        if place not in package.names:
            continue
        part = package.raw(place)
        for target, names in _points(part) if table.get("media-type", "") == _NCX else _links(part):
            if names[-1]:
                found.setdefault(_place(posixpath.dirname(place), target), tuple(filter(None, names))[-_DEEPEST:])
        if found:
            break
    return found


def _points(part: bytes) -> Iterator[tuple[str, list[str]]]:
    """(target, names from the top) of each entry of a table of EPUB 2."""
    try:
        root = _parsed(part)
    except etree.XMLSyntaxError:
        return  # The text of the book can be read without it.
    for point in root.iter("{*}navPoint"):
        content = point.find("{*}content")
        above = [*point.iterancestors("{*}navPoint")][::-1]
        if content is not None:
            yield content.get("src", ""), [_words(one.find("{*}navLabel")) for one in (*above, point)]


def _links(part: bytes) -> Iterator[tuple[str, list[str]]]:
    """The same of EPUB 3: links in the items of lists."""
    root = etree.fromstring(_page(part).encode(), etree.HTMLParser(encoding="utf-8", no_network=True))
    for table in () if root is None else root.iter("nav"):
        if "toc" not in table.get("epub:type", "toc").split():
            continue
        for item in table.iter("li"):
            above = [one for one in item.iterancestors("li") if table in one.iterancestors("nav")][::-1]
            link = item.find("a")
            if link is not None:
                yield (
                    link.get("href", ""),
                    [_words(next(one.iterchildren("a", "span"), None)) for one in (*above, item)],
                )


def _words(element: etree._Element | None) -> str:
    return "" if element is None else " ".join("".join(element.itertext()).split())


def _page(part: bytes) -> str:
    """A chapter as HTML: what XML may write in one tag has two. Raises ValueError for what is no text."""
    declared = _DECLARED.match(part)
    encoding = declared[1].decode() if declared else "utf-8"
    encoding = next((said for mark, said in _MARKS.items() if part.startswith(mark)), encoding)
    try:
        if codecs.lookup(encoding).name in _OF_HOSTS:
            raise LookupError(f"the encoding {encoding} is of names of hosts")
        text = part.decode(encoding)
    except LookupError as error:
        raise ValueError(str(error)) from error
    if "\0" in text:
        raise ValueError("a null character in a chapter")
    text = _DOCTYPE.sub("", normalize_newlines(text), count=1)
    return _LITERAL.sub(r"<\1div", _PREFIXED.sub(r"<\1", _EMPTY.sub(_opened, text)))


def _opened(found: re.Match[str]) -> str:
    if (name := found["name"]) is not None:
        return found[0] if name.lower() in _VOID else f"<{name}{found['rest']}></{name}>"
    return html.escape(found["held"]) if found["held"] is not None else found[0] if found[0][1] == "!" else ""


def _parsed(part: bytes) -> etree._Element:
    """The root of a part, which may have a document type: what its entities stand for is left out."""
    return etree.fromstring(part, etree.XMLParser(resolve_entities=False, no_network=True))


def _attribute(root: etree._Element, tag: str, name: str) -> str:
    found = next((one.get(name) for one in root.iter(f"{{*}}{tag}") if one.get(name)), None)
    if found is None:
        raise ValueError(f"its container names no {tag}")
    return str(found)


def _place(folder: str, target: str) -> str:
    """The name of the part that a reference is to."""
    return posixpath.normpath(posixpath.join(folder, unquote(target.partition("#")[0])))
