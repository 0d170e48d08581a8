"""Bytes to text, strictly: what does not decode is named with its line, never patched with replacement characters."""

import codecs
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from typing import Literal


class Undecodable(Exception):
    """Bytes that are no text: quarantined by the source, never seen outside this package. `line` is 1-based."""

    def __init__(self, reason: Literal["undecodable", "null-bytes"], line: int, detail: str) -> None:
        self.reason, self.line, self.detail = reason, line, detail
        super().__init__(detail)


def declared_encoding(data: bytes) -> str:
    """UTF-16 or UTF-8 by the byte order mark, else UTF-8."""
    if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return "utf-16"
    return "utf-8-sig" if data.startswith(BOM_UTF8) else "utf-8"


def properties_encoding(data: bytes) -> str:
    """Of Java's properties: by the byte order mark, UTF-8 where it is that, else Latin-1, in which Java wrote them."""
    encoding = declared_encoding(data)
    if encoding != "utf-8":
        return encoding
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return "latin-1"
    return encoding


# As HTML5 says: within the first 1,024 bytes, and what calls itself Latin-1 or ASCII is Windows-1252.
_CHARSET = re.compile(rb"<meta[^>]*?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]+)", re.IGNORECASE)
_LATIN = frozenset({"iso-8859-1", "latin1", "latin-1", "l1", "ascii", "us-ascii", "iso8859-1"})


def page_encoding(data: bytes) -> str:
    """Of an HTML page: by the byte order mark, else what it declares, else UTF-8."""
    marked = declared_encoding(data)
    found = _CHARSET.search(data[:1024])
    if marked != "utf-8" or not found:
        return marked
    named = found[1].decode().lower()
    # Whoever can read this declaration as bytes does not have UTF-16.
    return "cp1252" if named in _LATIN else "utf-8" if named.startswith(("utf-16", "utf-8", "utf8")) else named


# Of names of hosts, and of no text: by Python's own decoders 2 MB of it take a minute, and four times as much an hour.
_OF_HOSTS = frozenset({"punycode", "idna"})


def decode(data: bytes, encoding: str) -> str:
    """The text; without null characters and lone surrogates, which no text file holds and no warehouse file can."""
    try:
        if codecs.lookup(encoding).name in _OF_HOSTS:
            raise LookupError("it is of names of hosts; convert the file to UTF-8")
        text = data.decode(encoding)
        text.encode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        detail = f"byte {error.object[error.start]:#04x} is not {encoding} ({error.reason}); convert the file to UTF-8"
        raise Undecodable("undecodable", line, detail) from error
    except UnicodeEncodeError as error:
        line = error.object.count("\n", 0, error.start) + 1
        raise Undecodable("undecodable", line, "a lone surrogate, which UTF-8 cannot hold") from error
    except (LookupError, ValueError) as error:
        raise Undecodable("undecodable", 1, f"the encoding {encoding} gives no text: {error}") from error
    null = text.find("\0")
    if null >= 0:
        line = text.count("\n", 0, null) + 1
        raise Undecodable("null-bytes", line, "a null character: a binary file, or UTF-16 without a byte order mark")
    return text
