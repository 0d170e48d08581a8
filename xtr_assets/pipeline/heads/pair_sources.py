"""Where a head's pairs come from: the chunks of an index's sources, folders, wheels and source archives."""

import hashlib
import lzma
import re
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from email.parser import HeaderParser
from pathlib import Path, PurePosixPath
from typing import Any

from xtr_assets.config import DEFAULT_MAX_CHARS, SourceConfig
from xtr_assets.core.chunking import TextStyle, chunk_python, chunk_text
from xtr_assets.core.errors import ConfigError, NothingMatches
from xtr_assets.core.training_pairs import Pair, pairs_of
from xtr_assets.core.types import Chunk
from xtr_assets.sources import open_source

# Tests hold little prose and the same few shapes of code, what is vendored is another package's.
LEFT_OUT = re.compile(
    r"(^|/)(tests?|testing|_?vendor(ed)?|third_party|externals?|migrations|locale|node_modules)(/|$)|"
    r"(^|/)(test_[^/]*|conftest|(licen[cs]e|authors|requirements|changelog|changes|news|release)[^/]*)(\.[a-z]+)?$",
    re.IGNORECASE,
)
STYLES: dict[str, TextStyle] = {".md": "markdown", ".rst": "rst", ".txt": "rst"}
# Pairs of one archive: of 150 packages 30,000 are taken, some 200 of each, and reading all of them takes minutes.
MOST_PAIRS = 700
# A larger module is generated, or a table.
MOST_BYTES = 400_000
PERMISSIVE = re.compile(r"\b(MIT|BSD|Apache|PSF|Python Software Foundation|ISC|HPND)\b", re.IGNORECASE)
BINDING = re.compile(
    r"GPL|MPL|Mozilla|Proprietary|EUPL|CDDL|Other/|SSPL|BUSL|Business Source|Commons|\bCC[- ]BY|\bEPL|non-?commercial",
    re.IGNORECASE,
)
# What an archive raises that is damaged, has a password, or is compressed as nobody here can read.
UNREADABLE = (
    *(OSError, EOFError, zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError),
    *(NotImplementedError, RuntimeError),
)


@dataclass(frozen=True, slots=True)
class Origin:
    """A package or source that pairs come from. `refused` says why it gives none; "" where it does."""

    name: str
    version: str = ""
    licence: str = ""
    file: str = ""
    sha256: str = ""
    pairs: Mapping[str, int] = field(default_factory=dict)
    refused: str = ""

    def as_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value}


@dataclass(frozen=True, slots=True)
class Mined:
    """Pairs in order of their places, and where they come from."""

    origins: tuple[Origin, ...]
    pairs: tuple[Pair, ...]


def mine_sources(sources: Sequence[SourceConfig]) -> Mined:
    """The pairs of an index's sources, read as a build reads them."""
    origins, pairs = [], []
    for config in sources:
        source = open_source(config)
        try:
            paths = sorted({path for shard in source.shards() for path in source.scan(shard, {})})
        except NothingMatches as gone:
            if not gone.may_be_deleted:
                raise
            paths = []
        found = [p for path in paths for one in source.read(path) if isinstance(one, Chunk) for p in pairs_of(one)]
        origins.append(Origin(config.name, licence="of the index", pairs=dict(Counter[str](one.kind for one in found))))
        pairs += found
    return Mined(tuple(origins), tuple(pairs))


def mine_package(path: Path, any_licence: bool = False) -> Mined:
    """The pairs of a folder, a wheel or a source archive.

    Nothing is unpacked. An archive without a permissive licence in its metadata gives none, unless `any_licence`; a
    folder is the user's own. ConfigError for what is neither.
    """
    if path.is_dir():
        return _mine(Origin(path.name, licence="of the folder"), _folder_files(path), most=None)
    try:
        files = dict(_wheel_files(path) if path.suffix in (".whl", ".zip") else _archive_files(path))
    except UNREADABLE as error:
        raise ConfigError(f"{path} is no folder, wheel or source archive that can be read: {error!s:.200}") from error
    origin, description = _described(path, files)
    if not any_licence and (not PERMISSIVE.search(origin.licence) or BINDING.search(origin.licence)):
        why = f"its licence is {origin.licence!r}, which is not one of the permissive ones"
        return Mined((Origin(origin.name, origin.version, origin.licence, path.name, origin.sha256, refused=why),), ())
    if description:
        files = {"README.md": description.encode(), **files}
    return _mine(origin, files.items(), MOST_PAIRS)


def _mine(origin: Origin, files: Iterable[tuple[str, bytes]], most: int | None) -> Mined:
    """Files in an order of their names' digests, so that what is read of a large package is of all its parts."""
    pairs: list[Pair] = []
    for name, data in sorted(files, key=lambda file: hashlib.sha256(file[0].encode()).digest()):
        pairs += [pair for chunk in _chunks(origin.name, name, data) for pair in pairs_of(chunk)]
        if most is not None and len(pairs) >= most:
            break
    counts = dict(Counter[str](pair.kind for pair in pairs))
    told = Origin(origin.name, origin.version, origin.licence, origin.file, origin.sha256, counts)
    return Mined((told,), tuple(pairs))


def _wanted(name: str, size: int) -> bool:
    suffix = PurePosixPath(name).suffix.lower()
    return size <= MOST_BYTES and (suffix == ".py" or suffix in STYLES) and not LEFT_OUT.search(name)


def _chunks(origin: str, name: str, data: bytes) -> Iterator[Chunk]:
    """The chunks of a file; none of one that cannot be read, which is said of a build's sources, not of these."""
    suffix = PurePosixPath(name).suffix.lower()
    try:
        text = data.decode("utf-8")
        if suffix == ".py":
            yield from chunk_python(origin, name, text, DEFAULT_MAX_CHARS)
        else:
            yield from chunk_text(origin, name, text, DEFAULT_MAX_CHARS, STYLES[suffix])
    except (UnicodeDecodeError, SyntaxError, ValueError, RecursionError, MemoryError):
        return


def _folder_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """In order of path; nothing outside the folder, which a link could lead to."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not path.is_symlink() and _wanted(name, path.stat().st_size):
            yield name, path.read_bytes()


def _wheel_files(path: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if _wanted(info.filename, info.file_size) or info.filename.endswith(".dist-info/METADATA"):
                yield info.filename, archive.read(info)


def _archive_files(path: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(path) as archive:
        for member in archive:
            name = member.name.partition("/")[2]
            if member.isfile() and (_wanted(name, member.size) or name == "PKG-INFO"):
                file = archive.extractfile(member)
                if file is not None:
                    yield name, file.read()


def _described(path: Path, files: dict[str, bytes]) -> tuple[Origin, str]:
    """What the metadata says, taken out of the files, and its long description."""
    # What a package vendors has metadata too, further down.
    names = sorted((name for name in files if PurePosixPath(name).suffix == ""), key=lambda name: name.count("/"))
    described = [files.pop(name) for name in names]
    message = HeaderParser().parsestr(described[0].decode("utf-8", "replace") if described else "")
    classified = [one.rpartition("::")[2].strip() for one in message.get_all("Classifier", []) if "License ::" in one]
    written = str(message["License"] or "").strip().partition("\n")[0][:60]
    licence = str(message["License-Expression"] or "") or " | ".join(classified) or written
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    name = re.sub(r"[-_.]+", "-", str(message["Name"] or path.name)).lower()
    origin = Origin(name, str(message["Version"] or ""), licence, path.name, sha256)
    body = message.get_payload()
    return origin, body if isinstance(body, str) else ""
