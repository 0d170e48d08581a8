"""The package that a Word document, a presentation, a text of OpenDocument or a book is: a ZIP archive of parts that
refer to each other."""

import io
import posixpath
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Set

from lxml import etree

from xtr_assets.core.chunking.blocks import Block, DocumentRefused

# A package whose parts are larger than this together, unpacked, is refused unread.
MAX_UNPACKED = 256 << 20
MAX_PARTS = 10_000
# What the programs of 1997 wrote, and what encrypted packages lie in.
_COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_DAMAGED = (etree.LxmlError, zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, KeyError, ValueError)
# Elements inside each other, or a text, beyond what libxml2 takes.
_BEYOND = (etree.ErrorTypes.ERR_RESOURCE_LIMIT, etree.ErrorTypes.ERR_NAME_TOO_LONG)


def read_package(
    data: bytes, document: str, suffix: str, program: str, read: Callable[["Package"], Iterable[Block]]
) -> list[Block]:
    """What `read` makes of a package, whole or not at all.

    document, suffix, program : as people call it ("Word document", "DOCX"), and what opens it. Raises DocumentRefused.
    """
    weigh(data, document, suffix)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return list(read(Package(archive)))
    except _DAMAGED as error:
        code = error.code if isinstance(error, etree.XMLSyntaxError) else None
        if code == etree.ErrorTypes.ERR_NO_MEMORY:
            raise MemoryError from error
        if code in _BEYOND:
            detail = f"a part of it is beyond what libxml2 takes ({error!s:.200}); split or exclude the file"
            raise DocumentRefused("beyond-limits", detail) from error
        detail = f"no {document}: {error!s:.200}; open it in a {program} and save it again as {suffix}"
        raise DocumentRefused("unparsable", detail) from error


def weigh(data: bytes, document: str, suffix: str) -> None:
    """Refuse what is no package, is encrypted, or unpacks to too much, before a part of it is unpacked. Raises
    DocumentRefused."""
    if data.startswith(_COMPOUND) and suffix in ("DOCX", "PPTX", "XLSX"):
        old = suffix[:-1].lower()
        detail = f"encrypted, or a .{old} of 1997 under another name; save it as {suffix} without a password"
        raise DocumentRefused("encrypted", detail)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            parts = package.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise DocumentRefused("unparsable", f"no {document}: {error!s:.200}; copy or save it again") from error
    size = sum(part.file_size for part in parts)
    if size > MAX_UNPACKED or len(parts) > MAX_PARTS:
        detail = (
            f"{len(parts):,} parts of {size:,} bytes unpacked, {MAX_PARTS:,} of {MAX_UNPACKED:,} are allowed: take "
            "pictures out of it, or exclude the file"
        )
        raise DocumentRefused("beyond-limits", detail)
    if any(part.flag_bits & 1 for part in parts):
        raise DocumentRefused("encrypted", "its parts are encrypted; save it without a password")


def parsed(part: bytes) -> etree._Element:
    """The root of a part. Raises ValueError where it has a document type: no package may, and what its entities stand
    for would be read by one program and not by another."""
    root = etree.fromstring(part, etree.XMLParser(resolve_entities=False, no_network=True))
    if root.getroottree().docinfo.doctype:
        raise ValueError("a part of it declares a document type, which no part may")
    return root


def text_of(element: etree._Element) -> str:
    """The text of an element that holds no others: comments and instructions in it are none, and part it."""
    return (element.text or "") + "".join(one.tail or "" for one in element)


class Package:
    """The parts of a package by name, each parsed when it is asked for. KeyError for one that is not there."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def raw(self, name: str) -> bytes:
        """A part as it is."""
        return self._archive.read(name)

    @property
    def names(self) -> Set[str]:
        return self._archive.NameToInfo.keys()

    def part(self, name: str) -> etree._Element:
        """The root of a part of XML. Raises ValueError for one with a document type."""
        return parsed(self.raw(name))

    def related(self, name: str) -> Mapping[str, tuple[str, str]]:
        """By id what a part refers to inside the package: (the last word of its type, the name of the part). The
        package itself is ""."""
        folder, own = posixpath.split(name)
        try:
            relations = self.part(posixpath.join(folder, "_rels", f"{own}.rels"))
        except KeyError:
            return {}
        return {
            one.get("Id", ""): (
                posixpath.basename(one.get("Type", "")),
                posixpath.normpath(posixpath.join("/", folder, one.get("Target", ""))).lstrip("/"),
            )
            for one in relations.iterchildren("{*}*")
            if one.get("TargetMode") != "External"
        }

    @property
    def main(self) -> str:
        """The name of the part that the package is about."""
        name = next((name for kind, name in self.related("").values() if kind == "officeDocument"), None)
        if name is None:
            raise ValueError("none of its parts is said to be the main one")
        return name
