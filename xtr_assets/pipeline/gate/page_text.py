"""What an HTML page says by lexbor (selectolax), a parser that made no row: all its letters, in its order."""

import re
from typing import TYPE_CHECKING

from xtr_assets.pipeline.gate.text_evidence import is_of_hosts, lines_of, text_of

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser

_HEADINGS = "h1, h2, h3, h4, h5, h6"
_HEADING_TAGS = frozenset(_HEADINGS.split(", "))
# What lies in a heading by HTML 5, and ends it by HTML 4, as libxml2 has it.
_ENDS_HEADING = f"{_HEADINGS}, fieldset, form, li, p, table"
# As docs/configuration.md says: what is no text of the page.
_UNSPOKEN = (
    "script, style, template, noscript, noframes, noembed, svg, math, canvas, iframe, object, audio, video, select, "
    "datalist, nav, rp, rt"
)
# What a browser sets apart from the words beside it, however it is styled.
_APART = (
    "address, article, aside, blockquote, br, button, caption, dd, details, div, dl, dt, fieldset, figcaption, figure, "
    "footer, form, header, hr, img, input, legend, li, main, ol, p, pre, section, summary, table, td, th, tr, ul, "
    f"svg, math, canvas, iframe, object, audio, video, select, nav, {_HEADINGS}"
)
_DECLARED = re.compile(rb"charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_WESTERN = ("iso-8859-1", "iso8859-1", "latin1", "latin-1", "l1", "ascii", "us-ascii")


def page_source_of(data: bytes) -> str | None:
    """The source of a page, newlines as LF, in the encoding that it has or declares; None for what is no text."""
    declared = None if data[:3] == b"\xef\xbb\xbf" or data[:2] in (b"\xff\xfe", b"\xfe\xff") else _charset(data)
    if declared is None:
        text = text_of(data)
    else:
        try:
            if is_of_hosts(declared):
                return None
            text = data.decode(declared)
            text.encode()
        except (LookupError, ValueError):
            return None
    return None if text is None or "\0" in text else "\n".join(lines_of(text))


def _charset(data: bytes) -> str | None:
    """What a <meta> within the first 1,024 bytes declares; None for UTF-8."""
    for tag in re.findall(rb"<meta[^>]*", data[:1024], re.IGNORECASE):
        if found := _DECLARED.search(tag):
            name = found[1].decode("ascii", "replace").lower()
            if name in _WESTERN:
                return "cp1252"
            return None if name.startswith(("utf-8", "utf8", "utf-16")) else name
    return None


def spoken(source: str) -> str:
    """The text of a page, with white space between what stands apart."""
    tree = _tree(source, apart=_APART)
    return "" if tree.root is None else tree.root.text(deep=True)


def headings_of(source: str) -> list[str]:
    """The texts of the headings that name sections, each with its white space; those in tables name none, and those
    that hold a paragraph or another heading may name none."""
    found = []
    for element in _tree(source).css(_HEADINGS):
        above = element.parent
        while above is not None and above.tag != "table" and above.tag not in _HEADING_TAGS:
            above = above.parent
        # It is itself among them.
        if above is None and len(element.css(_ENDS_HEADING)) == 1:
            found.append(element.text(deep=True))
    return found


def _tree(source: str, apart: str = "") -> "LexborHTMLParser":
    """A page without what is no text, with white space on both sides of the elements in `apart`."""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(source)
    for element in tree.css(apart) if apart else ():
        element.insert_before(" ")
        element.insert_after(" ")
    for element in tree.css(_UNSPOKEN):
        element.decompose()
    return tree


# Their end tags may be left out.
_LOOSE_TAGS = "p li td tr th dd dt option optgroup tbody thead tfoot colgroup rp rt html head body"
_VOID_TAGS = "area base basefont br col embed frame hr img input keygen link meta param source track wbr"
_LOOSE, _VOID = frozenset(_LOOSE_TAGS.split()), frozenset(_VOID_TAGS.split())
# HTML5 opens these again in each paragraph that began inside them: a thousand of them over a thousand paragraphs are a
# million elements, 400 MB. Pages that people write have a handful open.
_FORMATS = frozenset(("a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"))
_REOPENED = 1_000_000
_OF_HEADS = frozenset(["html", "head", "title", "meta", "link", "base", "style", "script", "noscript", "template"])
_RAW = frozenset({"script", "style", "textarea", "title"})
_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]*)(?:[^<>\"']|\"[^\"]*\"|'[^']*')*>")


def nests(source: str) -> bool:
    """Whether the tags of a page are closed in the order in which they were opened, as far as they must be.

    Of a page that does not nest every parser makes something else, by rules of its own. False too for one that lexbor
    could make too many elements of: it is given only what nests.
    """
    opened: list[str] = []
    formats = reopened = 0
    at = source.find("<")
    # Whether nothing came so far but what belongs to a head: there <noscript> holds no text to some parsers.
    heads = at >= 0 and not source[:at].strip()
    while at >= 0:
        if source.startswith("<!--", at):
            end = source.find("-->", at + 4)
        elif source.startswith("<!", at):
            end = source.find(">", at)
        elif (tag := _TAG.match(source, at)) is None:
            return False
        else:
            name, end = tag[2].lower(), tag.end() - 1
            heads &= name in _OF_HEADS
            if heads and name == "noscript":
                return False
            formats += (-1 if tag[1] else 1) * (name in _FORMATS)
            reopened += formats
            if reopened > _REOPENED:
                return False
            if tag[1] and (name in ("html", "body") and opened):
                return False
            if name in _RAW and not tag[1]:
                close = re.compile(rf"</{name}", re.IGNORECASE).search(source, end)
                end = -1 if close is None else source.find(">", close.end())
            elif name not in _LOOSE and name not in _VOID:
                if not tag[1] and source[end - 1] != "/":
                    opened.append(name)
                elif tag[1] and (not opened or opened.pop() != name):
                    return False
        if end < 0:
            return False
        at = source.find("<", end + 1)
        heads &= not source[end + 1 : max(at, end + 1)].strip()
    return not opened
