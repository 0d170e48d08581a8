"""Parts of a Word document or a presentation by expat, without what a document type would put into them."""

import re
from xml.etree import ElementTree
from xml.parsers import expat

_DECLARED = re.compile(rb"<\?xml[^>]*\bencoding\s*=\s*[\"']([\w.-]+)[\"']")


def root_of(part: bytes) -> ElementTree.Element:
    """The root of a part. Raises ValueError where it has a document type, which no part may; LookupError, where nobody
    knows its encoding; and SyntaxError."""
    if b"DOCTYPE" in part.replace(b"\0", b""):
        parser = expat.ParserCreate()
        parser.StartDoctypeDeclHandler = _refuse
        try:
            parser.Parse(part, True)
        except expat.ExpatError as error:
            raise ValueError(f"no XML: {error}") from error
    try:
        return ElementTree.fromstring(part)
    except (LookupError, ValueError):
        # Of encodings of several bytes expat knows UTF-8 and UTF-16 alone.
        declared = _DECLARED.match(part)
        if declared is None:
            raise
        return ElementTree.fromstring(part.decode(declared[1].decode()))


def _refuse(*_: object) -> None:
    raise ValueError("a part declares a document type")
