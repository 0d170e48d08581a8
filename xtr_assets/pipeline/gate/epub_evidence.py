"""A second reading of EPUB, by `zipfile` and expat: the letters of its chapters in the order of the spine, and the
headings and entries of the table of contents that each place stands under."""

import io
import posixpath
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from html.entities import html5
from urllib.parse import unquote
from xml.etree import ElementTree

from xtr_assets.pipeline.gate.text_evidence import is_of_hosts

Element = ElementTree.Element

_UNPACKED = 256 << 20
_UNREADABLE = (zipfile.BadZipFile, LookupError, ValueError, SyntaxError, OSError, NotImplementedError, RuntimeError,
               EOFError, zlib.error)  # fmt: skip
# As docs/configuration.md says: what is no text of a page, and the title of a chapter.
_UNSPOKEN_TAGS = (
    "script style template noscript noframes noembed svg math canvas iframe object audio video select nav title rp rt"
)
# What ends a heading by HTML 4, or may.
_ENDING_TAGS = "h1 h2 h3 h4 h5 h6 fieldset form li p table div ul ol dl blockquote section"
_UNSPOKEN, _ENDS = frozenset((*_UNSPOKEN_TAGS.split(), "datalist")), frozenset(_ENDING_TAGS.split())
# Beside these no word goes on.
_PARTING_TAGS = (
    "address article aside blockquote br caption dd details div dl dt figcaption figure footer h1 h2 h3 h4 h5 h6 "
    "header hr li main ol p pre section summary table td th tr ul"
)
_PARTING = frozenset(_PARTING_TAGS.split())
_LEVELS = {f"h{level}": level for level in range(1, 7)}
_PAGES = ("application/xhtml+xml", "text/html", "text/x-oeb1-document", "application/x-dtbook+xml")


@dataclass(frozen=True, slots=True)
class Mark:
    """A heading, or an entry of the table of contents, that stands above what comes behind place `at` of the letters; a
    heading ends there, and stands under itself. `level` is that of the tag, counted from the chapter's first."""

    at: int
    level: int
    text: str
    spoken: bool


@dataclass(slots=True)
class Book:
    """said : the letters. parted : behind how many of them white space stands, or something begins
    or ends that stands apart, in ascending order. ends : of each place of
    the spine, where its letters end. sure : whether the names of places are known; exact : whether the letters are;
    listed : whether the table of contents can be read."""

    said: str = ""
    parted: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    sure: bool = True
    exact: bool = True
    listed: bool = True

    def names_at(self, end: int) -> list[str]:
        """The headings that what ends at a place stands under, the highest first."""
        above: list[Mark] = []
        for mark in self.marks:
            if mark.at > end or (mark.at == end and not mark.spoken):
                break
            above = [*(one for one in above if one.level < mark.level), mark]
        return [one.text for one in above]


def book_of(data: bytes, squeezed: Callable[[str], str]) -> Book | None:
    """What a book says by `squeezed`, which takes white space away; None for what is no book."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            if sum(part.file_size for part in package.infolist()) > _UNPACKED:
                return None
            return _read(package, squeezed)
    except RecursionError:
        # Elements inside each other by the thousand: nothing is said of its letters.
        return Book(sure=False, exact=False)
    except _UNREADABLE:
        return None


def _read(package: zipfile.ZipFile, squeezed: Callable[[str], str]) -> Book:
    container = _root(package.read("META-INF/container.xml"))
    main = next(_of(container, "rootfile")).get("full-path", "")
    folder, root = posixpath.dirname(main), _root(package.read(main))
    items = {one.get("id", ""): one for one in _of(root, "item")}
    book, passed, deeper = Book(), set[str](), 0
    try:
        contents = _contents(package, folder, list(items.values()))
    except SyntaxError:
        contents, book.sure, book.listed = {}, False, False
    pieces: list[str] = []
    length = 0
    for reference in _of(next(_of(root, "spine")), "itemref"):
        item = items[reference.get("idref", "")]
        place = _resolved(folder, item.get("href", ""))
        if item.get("media-type") in _PAGES and place not in passed:
            passed.add(place)
            part = package.read(place)
            try:
                chapter = _Chapter(_root(part), squeezed)
            except SyntaxError:
                # What is no XML two readers of HTML may read otherwise.
                book.exact = False
                continue
            book.sure &= chapter.sure
            least = 1
            if chapter.letters and place in contents:
                deeper, least = _above(book, chapter, contents[place], length)
            for at, level, text in chapter.headings:
                book.marks.append(Mark(length + at, min(9, max(least, level + deeper)), text, spoken=True))
            book.parted += [length + at for at in chapter.parted]
            pieces.append(chapter.letters)
            length += len(chapter.letters)
        book.ends.append(length)
    book.said = "".join(pieces)
    return book


def _above(book: Book, chapter: "_Chapter", names: Sequence[str], at: int) -> tuple[int, int]:
    """Note what a chapter stands under by the table of contents; how much deeper its headings are than their tags, and
    their least level."""
    for depth, name in enumerate(names[:-1] if chapter.opens else names, 1):
        book.marks.append(Mark(at, depth, name, spoken=False))
    if not chapter.headings:
        return 0, min(9, len(names) + 1)
    _, level, text = chapter.headings[0]
    same = chapter.opens or "".join(text.split()) == "".join(names[-1].split())
    least = min(9, len(names) if same else len(names) + 1)
    return least - level, least


class _Chapter:
    """letters : without white space. headings : (where it ends among them, level of its tag, its text). opens : whether
    the first letter is a heading's."""

    def __init__(self, root: Element, squeezed: Callable[[str], str]) -> None:
        self._squeezed = squeezed
        self.headings: list[tuple[int, int, str]] = []
        self.sure = True
        self.parted: list[int] = []
        self._pieces: list[str] = []
        self._length = 0
        self._walk(root, None, 0)
        self.letters = "".join(self._pieces)
        first = self.headings[0] if self.headings else None
        self.opens = first is not None and first[0] == len(squeezed(first[2]))

    def _add(self, text: str | None, heading: list[str] | None) -> None:
        if text:
            letters = self._squeezed(text)
            at = self._length
            if text[0].isspace():
                self.parted.append(at)
            for word in text.split()[:-1]:
                at += len(self._squeezed(word))
                self.parted.append(at)
            self._pieces.append(letters)
            self._length += len(letters)
            if text[-1].isspace():
                self.parted.append(self._length)
            if heading is not None:
                heading.append(text)

    def _walk(self, element: Element, heading: list[str] | None, tables: int) -> None:
        name = _local(element)
        if name not in _UNSPOKEN:
            tables += name == "table"
            # Where a heading lies in a table or holds more than words its end is a matter of opinion.
            self.sure &= not (name in _LEVELS and tables) and not (heading is not None and name in _ENDS)
            own: list[str] | None = [] if name in _LEVELS else None
            inner = own if own is not None else heading
            if inner is not None and name == "br":
                inner.append(" ")
            parting = name in _PARTING
            self.parted += [self._length] * parting
            self._add(element.text, inner)
            for child in element:
                self._walk(child, inner, tables)
                self._add(child.tail, inner)
            self.parted += [self._length] * parting
            if own is not None and self._squeezed("".join(own)):
                self.headings.append((self._length, _LEVELS[name], "".join(own)))


def _contents(package: zipfile.ZipFile, folder: str, items: Sequence[Element]) -> dict[str, list[str]]:
    """By part, the names of its first entry in the table of contents, from the top down."""
    pages = [one for one in items if "nav" in one.get("properties", "").split()]
    older = [one for one in items if one.get("media-type") == "application/x-dtbncx+xml"]
    for item in (*pages, *older):
        place = _resolved(folder, item.get("href", ""))
        if place not in package.namelist():
            continue
        root = _root(package.read(place))
        entries = _points(root, []) if item in older and item not in pages else _links(root)
        found: dict[str, list[str]] = {}
        for target, names in entries:
            if names[-1]:
                found.setdefault(_resolved(posixpath.dirname(place), target), [one for one in names if one][-9:])
        if found:
            return found
    return {}


def _points(element: Element, above: list[str]) -> Iterator[tuple[str, list[str]]]:
    for child in element:
        if _local(child) != "navpoint":
            yield from _points(child, above)
            continue
        label = next((one for one in child if _local(one) == "navlabel"), None)
        names = [*above, "" if label is None else " ".join("".join(label.itertext()).split())]
        content = next((one for one in child if _local(one) == "content"), None)
        if content is not None:
            yield content.get("src", ""), names
        yield from _points(child, names)


def _links(root: Element) -> Iterator[tuple[str, list[str]]]:
    for table in _of(root, "nav"):
        kind = next((said for key, said in table.attrib.items() if key.rpartition("}")[2] == "type"), "toc")
        if "toc" in kind.split():
            yield from _items(table, [])


def _items(element: Element, above: list[str]) -> Iterator[tuple[str, list[str]]]:
    for child in element:
        if _local(child) != "li":
            yield from _items(child, above)
            continue
        said = next((one for one in child if _local(one) in ("a", "span")), None)
        names = [*above, "" if said is None else " ".join("".join(said.itertext()).split())]
        link = next((one for one in child if _local(one) == "a"), None)
        if link is not None:
            yield link.get("href", ""), names
        yield from _items(child, names)


def _resolved(folder: str, target: str) -> str:
    """The part that a reference names, from a part in `folder`."""
    return posixpath.normpath(posixpath.join(folder, unquote(target.split("#")[0])))


def _of(root: Element, name: str) -> Iterator[Element]:
    return (one for one in root.iter() if _local(one) == name)


def _local(element: Element) -> str:
    return element.tag.rpartition("}")[2].lower() if isinstance(element.tag, str) else ""


_DOCTYPE = re.compile(r"<!DOCTYPE[^>\[]*(?:\[[^\]]*\])?[^>]*>", re.IGNORECASE)
_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")
_OF_XML = frozenset({"amp", "lt", "gt", "quot", "apos"})
_DECLARED = re.compile(rb"<\?xml[^>]*\bencoding\s*=\s*[\"']([\w.-]+)[\"'][^>]*\?>")


def _root(part: bytes) -> Element:
    """The root of a part, with the entities of HTML, and none that it declares itself."""
    if part[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = part.decode("utf-16")
    else:
        declared = _DECLARED.match(part.removeprefix(b"\xef\xbb\xbf"))
        encoding = declared[1].decode() if declared else "utf-8"
        if is_of_hosts(encoding):
            raise ValueError("no text has this encoding")
        text = part.removeprefix(b"\xef\xbb\xbf").decode(encoding)
    text = re.sub(r"^<\?xml.*?\?>", "", text.lstrip("\ufeff"), count=1, flags=re.DOTALL)
    text = _ENTITY.sub(_character, _DOCTYPE.sub("", text, count=1))
    return ElementTree.fromstring(text.encode())


def _character(found: re.Match[str]) -> str:
    return found[0] if found[1] in _OF_XML else html5.get(f"{found[1]};", found[0])
