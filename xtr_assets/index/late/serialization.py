"""A standalone token index on disk: segments and model in folders named by content, and tokens.json that lists them.

    tokens.json                      format, rows, profile, segments, and every file with bytes and sha256
    live.<sha8>.npy                  bool [rows], only where rows were removed
    models/<sha8>/                   see centroids.py
    segments/<sha16>/{tokens,scales,offsets}.npy and postings.<model8>/

A compact index (codec "residual-5-bit") holds residuals.npy uint8 [T, packed_dim] in place of tokens and scales.

Nothing but tokens.json is ever replaced. Saving again writes what is new, then tokens.json in one step: a crash leaves
the index as it was.
"""

import hashlib
import json
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from xtr_assets.core.arguments import check_offsets
from xtr_assets.core.errors import CorruptFile, InvalidInput, UnknownFormat
from xtr_assets.core.files import FileRecord, check, commit_folder, record, replacing, write_atomic
from xtr_assets.core.json_document import known_settings, read_described
from xtr_assets.core.raw_arrays import open_array, save_array
from xtr_assets.core.row_store import TokenPart
from xtr_assets.core.token_codec import TOKEN_CODEC
from xtr_assets.core.types import Mask
from xtr_assets.index.late.centroids import MODEL_FILE, TokenModel
from xtr_assets.index.late.options import SearchProfile
from xtr_assets.index.late.postings import POSTINGS_ARRAYS, POSTINGS_FILE, Postings, open_postings
from xtr_assets.index.late.residual_codec import CODECS, COMPACT_CODEC, Codec, compact_part, rows_of

TOKENS_FORMAT = 1
TOKENS_FILE = "tokens.json"
STORE_ARRAYS: dict[Codec, tuple[str, ...]] = {
    TOKEN_CODEC: ("tokens.npy", "scales.npy", "offsets.npy"),
    COMPACT_CODEC: ("residuals.npy", "offsets.npy"),
}
Verify = Literal["headers", "full"]


@dataclass(frozen=True, slots=True, eq=False)
class SavedIndex:
    """What a folder holds."""

    model: TokenModel
    segments: Sequence[tuple[TokenPart, Postings]]
    live: Mask
    profile: SearchProfile
    codec: Codec


def save_folder(directory: Path, saved: SavedIndex) -> None:
    """Write an index, or bring the one that is there up to date."""
    model, live = saved.model, saved.live
    directory.mkdir(parents=True, exist_ok=True)
    known = _listed(directory)
    model_directory = model.save(directory / "models")
    wanted = [model_directory / MODEL_FILE, *sorted(model_directory.glob("*.npy"))]
    listed: list[dict[str, Any]] = []
    for part, postings in saved.segments:
        folder = _save_segment(directory / "segments", model, part, postings)
        placed = {"base_row": part.base_row, "rows": part.rows, "tokens": len(part.tokens)}
        listed.append({"segment": folder.name, **placed})
        wanted += [folder / name for name in STORE_ARRAYS[saved.codec]]
        wanted += [folder / f"postings.{model.fingerprint8}" / name for name in (*POSTINGS_ARRAYS, POSTINGS_FILE)]
    mask = None
    if not live.all():
        mask = f"live.{hashlib.sha256(live.tobytes()).hexdigest()[:8]}.npy"
        if mask not in known:
            # Whole or not at all: one that a crash had cut short would be taken for this one from then on.
            with replacing(directory / mask) as temporary:
                save_array(temporary, live)
        wanted.append(directory / mask)
    files = {}
    for path in wanted:
        name = path.relative_to(directory).as_posix()
        # Folders are named by what they hold: a file that was listed before has not changed.
        files[name] = known.get(name) or asdict(record(path))
    described = {
        "format_version": TOKENS_FORMAT,
        "kind": "xtr-token-index",
        "codec": saved.codec,
        "dim": model.dim,
        "rows": len(live),
        "model": model.fingerprint8,
        "profile": asdict(saved.profile),
        "live": mask,
        "segments": listed,
        "files": files,
    }
    write_atomic(directory / TOKENS_FILE, (json.dumps(described, indent=1) + "\n").encode())
    for name in known.keys() - files.keys():
        (directory / name).unlink(missing_ok=True)


def load_folder(directory: Path, *, mmap: bool = True, verify: Verify = "headers") -> SavedIndex:
    """Read an index. What a parser reads is checked by sha256, raw arrays by size and header, or in full on request.

    Raises CorruptFile, UnknownFormat.
    """
    described = read_described(directory / TOKENS_FILE, "xtr-token-index", TOKENS_FORMAT)
    for name, expected in described["files"].items():
        full = verify == "full" or name.endswith(".json") or name.startswith(("models/", "live."))
        check(directory / name, FileRecord(**expected), name, full=full)
    model = TokenModel.load(directory / "models" / described["model"])
    if described["codec"] not in CODECS:
        raise UnknownFormat(f"{TOKENS_FILE}: codec {described['codec']}, this release reads {', '.join(CODECS)}")
    codec: Codec = described["codec"]
    segments = []
    for listed in described["segments"]:
        folder = directory / "segments" / listed["segment"]
        tokens, rows = listed["tokens"], listed["rows"]
        shapes: dict[str, tuple[npt.DTypeLike, tuple[int, ...]]] = {
            "tokens.npy": (np.int8, (tokens, model.dim)),
            "scales.npy": (np.float16, (tokens,)),
            "residuals.npy": (np.uint8, (tokens, model.packed_dim)),
            "offsets.npy": (np.int64, (rows + 1,)),
        }
        stored = [
            open_array(folder / name, f"{folder.name}/{name}", *shapes[name], mmap=mmap) for name in STORE_ARRAYS[codec]
        ]
        offsets = stored[-1]
        try:
            check_offsets(offsets, tokens)
        except InvalidInput as error:
            raise CorruptFile(f"{folder.name}/offsets.npy", f"rising bounds from 0 to {tokens}", str(error)) from error
        part = TokenPart(listed["base_row"], stored[0], None, offsets)
        postings = open_postings(model, part, folder / f"postings.{model.fingerprint8}", mmap=mmap)
        if codec == COMPACT_CODEC:
            part = compact_part(model, part.base_row, stored[0], postings.numbers, offsets)
        else:
            part = replace(part, scales=stored[1])
        segments.append((part, postings))
    live = np.ones(described["rows"], np.bool_)
    if described["live"]:
        live = open_array(directory / described["live"], described["live"], np.bool_, live.shape, mmap=False)
    known = {one.name for one in fields(SearchProfile)}
    profile = SearchProfile(**known_settings(described["profile"], known, f"the profile of {directory.name}"))
    return SavedIndex(model, segments, live, profile, codec)


def _listed(directory: Path) -> dict[str, dict[str, Any]]:
    path = directory / TOKENS_FILE
    return dict(read_described(path, "xtr-token-index", TOKENS_FORMAT)["files"]) if path.exists() else {}


def _save_segment(segments: Path, model: TokenModel, part: TokenPart, postings: Postings) -> Path:
    rows = rows_of(part)
    arrays: dict[str, npt.NDArray[Any]] = {"offsets.npy": part.offsets}
    if rows is None:
        arrays |= {"tokens.npy": part.tokens, "scales.npy": np.asarray(part.scales)}
    else:
        arrays |= {"residuals.npy": rows.residuals}
    digest = hashlib.sha256()
    for array in arrays.values():
        digest.update(np.ascontiguousarray(array).data)
    target = segments / digest.hexdigest()[:16]
    postings_name = f"postings.{model.fingerprint8}"
    if (target / postings_name / POSTINGS_FILE).exists():
        return target
    segments.mkdir(exist_ok=True)
    temporary = segments / f".{target.name}.{uuid.uuid4().hex[:8]}.tmp"
    temporary.mkdir()
    try:
        for name, array in arrays.items():
            save_array(temporary / name, array)
        (temporary / postings_name).mkdir()
        postings.save(temporary / postings_name, model, part)
        if not commit_folder(temporary, target):
            # The same documents under another model: only the postings are new.
            commit_folder(temporary / postings_name, target / postings_name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target
