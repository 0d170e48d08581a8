"""Parts of a Word document or a presentation by expat, without what a document type would put into them."""

from xml.etree import ElementTree
from xml.parsers import expat


def root_of(part: bytes) -> ElementTree.Element:
    """The root of a part. Raises ValueError where it has a document type, which no part may, and SyntaxError."""
    if b"DOCTYPE" in part.replace(b"\0", b""):
        parser = expat.ParserCreate()
        parser.StartDoctypeDeclHandler = _refuse
        try:
            parser.Parse(part, True)
        except expat.ExpatError as error:
            raise ValueError(f"no XML: {error}") from error
    return ElementTree.fromstring(part)


def _refuse(*_: object) -> None:
    raise ValueError("a part declares a document type")
