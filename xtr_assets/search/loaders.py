"""Opening the indexes of a generation, published or draft: the gate searches exactly what users will search."""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from xtr_assets.core.errors import CorruptFile, GenerationError, UnknownFormat
from xtr_assets.core.json_document import read_json
from xtr_assets.index import DenseIndex, TokenIndex
from xtr_assets.index.late.options import SearchProfile
from xtr_assets.storage.generation import Generation

DENSE_FILE = "dense.faiss"
TOKEN_FILE = "xtr/index.json"
TOKEN_FORMAT = 1


class TokenIndexFile(BaseModel):
    """xtr/index.json: the model and the postings that a generation's token index reads. It copies neither.

    model : folder below the warehouse, "models/<sha8>"
    postings : name of the postings folder of each segment id, "postings.<sha8>"
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: Literal[1] = 1
    model: str
    postings: dict[str, str]

    def to_bytes(self) -> bytes:
        """The file: the same value always gives the same bytes."""
        return (json.dumps(self.model_dump(), sort_keys=True, indent=1) + "\n").encode("ascii")

    @classmethod
    def from_bytes(cls, data: bytes, name: str = TOKEN_FILE) -> "TokenIndexFile":
        """Parse verified bytes. Raises UnknownFormat, CorruptFile."""
        try:
            loaded = read_json(data)
            version = loaded.get("format_version") if isinstance(loaded, dict) else None
            if version != TOKEN_FORMAT:
                raise UnknownFormat(
                    f"{name} has format_version {version!r}, this release reads {TOKEN_FORMAT}; "
                    "open it with the release that wrote it, or install a newer xtr-assets"
                )
            return cls.model_validate(loaded)
        except (ValueError, ValidationError) as error:
            raise CorruptFile(name, "a description of a token index", str(error).splitlines()[0]) from error


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
    """How the manifest says that the dense index is searched."""
    profile = generation.manifest.profile.get("dense")
    if not isinstance(profile, dict):
        raise _unmade(generation, "dense index", "faiss_index")
    return profile


def open_tokens(generation: Generation, device: str = "cpu", device_memory: int | None = None) -> TokenIndex:
    """The token index: the shared model and the postings of each segment, as xtr/index.json names them.

    device, device_memory : see TokenIndex.to. On the CPU unless asked for: what a build measures must hold there. The
    manifest's `profile["xtr"]`, where it has one, holds the fields of SearchProfile.
    """
    if not generation.has_file(TOKEN_FILE):
        raise _unmade(generation, "token index", "xtr_index")
    name = generation.file_name(TOKEN_FILE)
    described = TokenIndexFile.from_bytes(generation.path(TOKEN_FILE).read_bytes(), name)
    missing = [p.segment.segment_id for p in generation.segments if p.segment.segment_id not in described.postings]
    if missing:
        raise CorruptFile(name, f"postings of segment {missing[0]}", "none")
    parts: list[tuple[Any, Path]] = []
    tokens = {part.base_row: part for part in generation.tokens().parts}
    for placed in generation.segments:
        folder = placed.segment.folder(described.postings[placed.segment.segment_id])
        parts.append((tokens[placed.base_row], _verified(generation, folder)))
    model = _verified(generation, generation.layout.resolve(described.model))
    profile = token_profile(generation)
    return TokenIndex.open(model, parts, generation.live, device, profile=profile, device_memory=device_memory)


def token_profile(generation: Generation) -> SearchProfile:
    """How the manifest says that the token index is searched; the default where it says nothing."""
    profile = generation.manifest.profile.get("xtr")
    return SearchProfile(**profile) if isinstance(profile, dict) else SearchProfile()


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
