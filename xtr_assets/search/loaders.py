"""Opening the indexes of a generation, published or draft: the gate searches exactly what users will search."""

import json
from collections.abc import Hashable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from xtr_assets.core.errors import CorruptFile, GenerationError, UnknownFormat
from xtr_assets.core.json_document import known_settings, read_json
from xtr_assets.core.lexical_terms import READ_TERMS, TERMS_VERSION
from xtr_assets.index import DenseIndex, TokenIndex
from xtr_assets.index.dense.options import DenseProfile
from xtr_assets.index.late.options import SearchProfile
from xtr_assets.search.blend import Blend
from xtr_assets.storage.draft import LEXICAL_INDEX, TOKEN_INDEX
from xtr_assets.storage.generation import Generation, PlacedSegment
from xtr_assets.storage.manifest import Manifest
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets.storage.parts.part_set_reader import holds_parts
from xtr_assets.storage.remote.address import address_of, refuse_nameless
from xtr_assets.storage.warehouse import Warehouse

if TYPE_CHECKING:
    from xtr_assets.index.lexical.index import LexicalIndex, LexicalPart
    from xtr_assets.storage.remote.store_cache import CacheOptions

DENSE_FILE = "dense.faiss"
TOKEN_FILE = f"{TOKEN_INDEX}/index.json"
LEXICAL_FILE = f"{LEXICAL_INDEX}/index.json"


# What a searcher answers from.
Place = Warehouse | PartSet


def open_any(place: str | Path, options: "CacheOptions | None" = None, *, cold: bool = False) -> Place:
    """The warehouse, the set of parts, or the object store at a place. WarehouseNotFound where there is none.

    cold : of a store whose cache is empty, what serves is read by ranges while all of it comes
    """
    refuse_nameless(place)
    if holds_parts(place):
        return PartSet.open(place)
    if address_of(place) is None:
        return Warehouse.open(place)
    # What speaks to stores takes a twentieth of a cold search to import.
    from xtr_assets.storage.remote.store_cache import open_place

    return open_place(place, options, cold=cold)


class IndexFile(BaseModel):
    """A generation's description of an index whose parts lie in the segments.

    postings : name of the postings folder of each segment id
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    what: ClassVar[str]
    file: ClassVar[str]

    format_version: Literal[1] = 1
    postings: dict[str, str]

    def to_bytes(self) -> bytes:
        """The file: the same value always gives the same bytes."""
        return (json.dumps(self.model_dump(), sort_keys=True, indent=1) + "\n").encode("ascii")

    @classmethod
    def from_bytes(cls, data: bytes, name: str = "") -> Self:
        """Parse verified bytes. Raises UnknownFormat, CorruptFile, under `name` or that of the file."""
        name = name or cls.file
        (known,) = get_args(cls.model_fields["format_version"].annotation)
        try:
            loaded = read_json(data)
            version = loaded.get("format_version") if isinstance(loaded, dict) else None
            if version != known:
                raise UnknownFormat(
                    f"{name} has format_version {version!r}, this release reads {known}; "
                    "open it with the release that wrote it, or install a newer xtr-assets"
                )
            return cls.model_validate(loaded)
        except (ValueError, ValidationError) as error:
            raise CorruptFile(name, f"a description of a {cls.what}", str(error).splitlines()[0]) from error

    def folder_of(self, placed: PlacedSegment, name: str) -> Path:
        """The folder of a segment's postings; CorruptFile where this file, `name`, names none."""
        if placed.segment.segment_id not in self.postings:
            raise CorruptFile(name, f"postings of segment {placed.segment.segment_id}", "none")
        return placed.segment.folder(self.postings[placed.segment.segment_id])


class TokenIndexFile(IndexFile):
    """xtr/index.json: the model and the postings that a generation's token index reads. It copies neither.

    model : folder below the warehouse, "models/<sha8>"
    postings : "postings.<sha8>" by segment id
    """

    what, file = "token index", TOKEN_FILE

    model: str


class LexicalIndexFile(IndexFile):
    """lexical/index.json: the postings that a generation's lexical index reads. It copies none.

    terms : the version of the rules by which texts became terms (core/lexical_terms.py)
    postings : "lexical.<version>" by segment id
    """

    what, file = "lexical index", LEXICAL_FILE

    terms: int


def serving(warehouse: Place) -> Generation:
    """The generation that serves, of a set of parts those of its last move; GenerationError where none does."""
    published = warehouse.published
    if published is None and isinstance(warehouse, PartSet):
        raise GenerationError(
            f"nothing is published in {warehouse.root}; `xtr-assets parts publish` lets what its parts serve serve "
            "together"
        )
    if published is None:
        raise GenerationError(
            f"nothing is published in {warehouse.root} (no PUBLISHED there); `xtr-assets build` publishes a "
            "generation that passes its checks"
        )
    return published


def identity(manifest: Manifest) -> Hashable:
    """What tells a generation, or a move, from another one of its number: a folder that was removed and filled anew
    numbers from 1 again."""
    return manifest.number, manifest.run_id, manifest.created_at, tuple(sorted(manifest.snapshots.items()))


def asked_for(warehouse: Place, generation: int | Generation | None) -> Generation:
    """What somebody wants to search: one that is open already, one by its number, or what serves."""
    if generation is None:
        return serving(warehouse)
    return generation if isinstance(generation, Generation) else warehouse.generation(generation)


def open_dense(generation: Generation, device: str = "auto") -> DenseIndex:
    """The dense index, over the generation's own vectors and live rows, with the recipe and profile of its manifest.

    The manifest's `recipe["dense"]["recipe"]` is the factory string, `profile["dense"]` what `DenseIndex.profile` says.
    """
    recipe, profile = generation.manifest.recipe.get("dense"), dense_profile(generation)
    if not isinstance(recipe, dict) or "recipe" not in recipe:
        raise _unmade(generation, "dense index", "faiss_index")
    path = generation.path(DENSE_FILE)
    return DenseIndex.open(path, generation.vectors(), str(recipe["recipe"]), profile, device, generation.live)


def dense_profile(generation: Generation) -> dict[str, Any]:
    """How the manifest says that the dense index is searched. UnknownFormat where it sets what this release does not
    know."""
    profile = generation.manifest.profile.get("dense")
    if not isinstance(profile, dict):
        raise _unmade(generation, "dense index", "faiss_index")
    whose = f"the profile of the dense index of generation {generation.number}"
    return known_settings(profile, {one.name for one in fields(DenseProfile)}, whose)


def open_tokens(generation: Generation, device: str = "cpu", device_memory: int | None = None) -> TokenIndex:
    """The token index: the shared model and the postings of each segment, as xtr/index.json names them.

    device, device_memory : see TokenIndex.to. On the CPU unless asked for: what a build measures must hold there. The
    manifest's `profile["xtr"]`, where it has one, holds the fields of SearchProfile.
    """
    if not generation.has_file(TOKEN_FILE):
        raise _unmade(generation, "token index", "xtr_index")
    name = generation.file_name(TOKEN_FILE)
    described = TokenIndexFile.from_bytes(generation.path(TOKEN_FILE).read_bytes(), name)
    folders = [described.folder_of(placed, name) for placed in generation.segments]
    parts: list[tuple[Any, Path]] = []
    tokens = {part.base_row: part for part in generation.tokens().parts}
    for placed, folder in zip(generation.segments, folders, strict=True):
        parts.append((tokens[placed.base_row], _verified(generation, folder)))
    model = _verified(generation, generation.layout.resolve(described.model))
    profile = token_profile(generation)
    return TokenIndex.open(model, parts, generation.live, device, profile=profile, device_memory=device_memory)


def open_lexical(generation: Generation) -> "LexicalIndex | None":
    """The lexical index: the postings of each segment, as lexical/index.json names them, over the live rows.

    None where the generation has none that this release's words can be looked up in: see `lexical_lack`.
    """
    from xtr_assets.index.lexical.index import LexicalIndex

    return None if lexical_lack(generation) else LexicalIndex(lexical_parts(generation), generation.live)


def lexical_parts(generation: Generation) -> "list[LexicalPart]":
    """The postings of each segment at its rows, each file compared with its record."""
    from xtr_assets.index.lexical.index import LexicalPart
    from xtr_assets.index.lexical.postings import open_postings

    name = generation.file_name(LEXICAL_FILE)
    described = LexicalIndexFile.from_bytes(generation.path(LEXICAL_FILE).read_bytes(), name)
    parts = []
    for placed in generation.segments:
        folder = _verified(generation, described.folder_of(placed, name))
        parts.append(LexicalPart(placed.base_row, open_postings(folder, placed.segment.rows)))
    return parts


def lexical_lack(generation: Generation) -> str:
    """Why a generation cannot be asked in words of its index, and what makes one that can; empty where it can."""
    if not generation.has_file(LEXICAL_FILE):
        why = "it was published by a release that made none"
    else:
        name = generation.file_name(LEXICAL_FILE)
        terms = LexicalIndexFile.from_bytes(generation.path(LEXICAL_FILE).read_bytes(), name).terms
        if terms in READ_TERMS:
            return ""
        why = f"its terms are of version {terms}, this release splits words by version {TERMS_VERSION}"
    return (
        f"generation {generation.number} has no lexical index to ask: {why}; `xtr-assets build` makes a generation "
        "that has one, and encodes nothing again"
    )


def terms_version(generation: Generation) -> int:
    """By which rules the texts of a generation became terms; of a set of parts, which agree, those of the first."""
    recipe = generation.manifest.recipe.get("lexical")
    return int(recipe.get("terms", TERMS_VERSION)) if isinstance(recipe, dict) else TERMS_VERSION


def token_profile(generation: Generation) -> SearchProfile:
    """How the manifest says that the token index is searched; the default where it says nothing. UnknownFormat where it
    sets what this release does not know."""
    profile = generation.manifest.profile.get("xtr")
    if not isinstance(profile, dict):
        return SearchProfile()
    whose = f"the profile of the token index of generation {generation.number}"
    return SearchProfile(**known_settings(profile, {one.name for one in fields(SearchProfile)}, whose))


def check_profile(generation: Generation) -> None:
    """Raises UnknownFormat where this release does not follow what the profile of a generation sets: it opens no search
    then."""
    Blend.of(generation.manifest.profile.get("hybrid"))
    token_profile(generation)


def _verified(generation: Generation, folder: Path) -> Path:
    """The folder, after comparing each of its files in the manifest with its record."""
    prefix = generation.layout.relative(folder) + "/"
    files = [name for name in generation.manifest.files if name.startswith(prefix)]
    if not files:
        raise CorruptFile(prefix, "files in the manifest", "none")
    for file in files:
        generation.path(file)
    return folder


def _unmade(generation: Generation, what: str, asset: str) -> GenerationError:
    return GenerationError(
        f"generation {generation.number} has no {what}; materialize `{asset}` together with `generation`, "
        "or run `xtr-assets build`"
    )
