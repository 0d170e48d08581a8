"""TokenModel: what segments share. Centroids and residual levels are integers, so every backend computes the same."""

import hashlib
import json
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from xtr_assets.core.errors import CorruptFile
from xtr_assets.core.files import FileRecord, check, commit_folder, fsync_dir, fsync_file, record
from xtr_assets.core.json_document import read_described
from xtr_assets.core.raw_arrays import open_array, save_array
from xtr_assets.core.types import Bytes8, Floats

# Version 3 has more centroids than 16 bits count: a release that reads 2 alone would cut their numbers short.
MODEL_FORMAT, WIDE_MODEL_FORMAT = 2, 3
MODEL_FILE = "model.json"
# So many centroids are counted by 16 bits; of more, each token takes two bytes more.
NARROW_CENTROIDS = 65_536
# Each array's type and number of axes.
ARRAYS: Mapping[str, tuple[type[np.generic], int]] = {
    "mean": (np.float32, 1),
    "centroids": (np.int8, 2),
    "centroid_scales": (np.float32, 1),
    "levels": (np.int8, 1),
    "residual_scales": (np.float32, 1),
}
LEVELS = 32
LEVEL_MIN, LEVEL_MAX = -64, 63

# The centroid of each token.
Numbers = npt.NDArray[np.uint16] | npt.NDArray[np.uint32]


@dataclass(frozen=True, eq=False)
class TokenModel:
    """The shared part of a token index.

    A compact index approximates a token by `mean + centroids[c] * centroid_scales[c] + levels[code] * residual_scales`.

    mean : float32 [d]
    centroids : int8 [C, d], over mean-subtracted tokens, with centroid_scales float32 [C]
    levels : int8 [32], ascending, within [-64, 63]
    residual_scales : float32 [d], the size of one level step per dimension
    token_norm : the largest norm in the training sample
    training : what it was trained on and how (JSON-able)
    """

    mean: Floats
    centroids: Bytes8
    centroid_scales: Floats
    levels: Bytes8
    residual_scales: Floats
    token_norm: float
    training: dict[str, Any]

    @property
    def dim(self) -> int:
        return len(self.mean)

    @property
    def format_version(self) -> int:
        """That of its file: the lowest that can say how many centroids there are."""
        return MODEL_FORMAT if len(self.centroids) <= NARROW_CENTROIDS else WIDE_MODEL_FORMAT

    @property
    def number_type(self) -> type[np.uint16 | np.uint32]:
        """What the numbers of its centroids are stored as: uint16 where that counts them, else uint32."""
        return np.uint16 if len(self.centroids) <= NARROW_CENTROIDS else np.uint32

    @property
    def packed_dim(self) -> int:
        """Bytes of one packed residual, five bits a dimension.

        The low four bits of dimensions j and j + half share byte j, half being (dim + 1) // 2; then come the fifth
        bits, that of dimension j in bit j % 8 of byte j // 8.
        """
        return (self.dim + 1) // 2 + (self.dim + 7) // 8

    @property
    def memory_bytes(self) -> int:
        return sum(getattr(self, name).nbytes for name in ARRAYS)

    @cached_property
    def centroid_values(self) -> Floats:
        """float32 [C, d]: the integers of `centroids`, for BLAS; products with int8 stay exact below 2**24."""
        return self.centroids.astype(np.float32)

    @cached_property
    def centroid_vectors(self) -> Floats:
        """float32 [C, d]: the centroids as tokens are measured against them, mean subtracted."""
        return self.centroid_values * self.centroid_scales[:, None]

    @cached_property
    def centroid_norm(self) -> float:
        """The largest norm of a centroid; the unit of levels follows from it."""
        squares = np.einsum("cd,cd->c", self.centroid_vectors, self.centroid_vectors, dtype=np.float64)
        return float(np.sqrt(squares.max(initial=0.0)))

    @cached_property
    def anchors(self) -> Floats:
        """float32 [C, d]: what residuals are added to."""
        return self.centroid_vectors + self.mean

    @cached_property
    def nearest_level(self) -> npt.NDArray[np.uint8]:
        """uint8 [128]: the code of a residual in level steps, shifted by 64."""
        grid = np.arange(LEVEL_MIN, LEVEL_MAX + 1)
        distances = np.abs(grid[:, None] - self.levels[None, :].astype(np.int64))
        codes: npt.NDArray[np.uint8] = distances.argmin(axis=1).astype(np.uint8)
        return codes

    @cached_property
    def fingerprint(self) -> str:
        """64 hex digits over dim, levels, centroids and scales: two models with the same one are the same."""
        digest = hashlib.sha256(f"xtr-assets token model {self.format_version} {self.token_norm!r}".encode())
        for name in ARRAYS:
            array = np.ascontiguousarray(getattr(self, name))
            digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
            digest.update(array.tobytes())
        return digest.hexdigest()

    @property
    def fingerprint8(self) -> str:
        """What names the model's folder and the postings made with it."""
        return self.fingerprint[:8]

    def encode_residuals(self, tokens: Floats, lists: Numbers) -> npt.NDArray[np.uint8]:
        """uint8 [n, packed_dim]: codes of what the centroids `lists` leave of tokens float32 [n, d]."""
        residuals = tokens - self.anchors[lists]
        residuals /= self.residual_scales
        steps = np.clip(np.rint(residuals, out=residuals), LEVEL_MIN, LEVEL_MAX).astype(np.int8)
        codes = self.nearest_level[(steps - np.int8(LEVEL_MIN)).view(np.uint8)]
        half = (self.dim + 1) // 2
        low = codes & 15
        packed = np.zeros((len(codes), self.packed_dim), np.uint8)
        packed[:, :half] = low[:, :half]
        packed[:, : self.dim - half] |= low[:, half:] << 4
        packed[:, half:] = np.packbits(codes >> 4, axis=1, bitorder="little")
        return packed

    def decode_residuals(self, packed: npt.NDArray[np.uint8], lists: Numbers) -> Floats:
        """float32 [n, d]: the tokens that packed residuals of the centroids `lists` stand for."""
        half = (self.dim + 1) // 2
        low = np.concatenate([packed[:, :half] & 15, packed[:, :half] >> 4], axis=1)[:, : self.dim]
        high = np.unpackbits(packed[:, half:], axis=1, count=self.dim, bitorder="little")
        values: Floats = self.levels[low | high << 4].astype(np.float32)
        values *= self.residual_scales
        values += self.anchors[np.minimum(lists, len(self.anchors) - 1)]
        return values

    def save(self, models: Path) -> Path:
        """Write into `models/<fingerprint8>` unless it is there; the folder appears whole or not at all."""
        target = models / self.fingerprint8
        if target.exists():
            return target
        models.mkdir(parents=True, exist_ok=True)
        temporary = models / f".{self.fingerprint8}.{uuid.uuid4().hex[:8]}.tmp"
        temporary.mkdir()
        try:
            self.write(temporary)
            commit_folder(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return target

    def write(self, directory: Path) -> None:
        """Write the arrays and model.json into an existing folder, durable."""
        for name in ARRAYS:
            save_array(directory / f"{name}.npy", getattr(self, name))
            fsync_file(directory / f"{name}.npy")
        files = {f"{name}.npy": record(directory / f"{name}.npy") for name in ARRAYS}
        described = {
            "format_version": self.format_version,
            "kind": "xtr-token-model",
            "fingerprint": self.fingerprint,
            "dim": self.dim,
            "centroids": len(self.centroids),
            "token_norm": self.token_norm,
            "training": self.training,
            "files": {name: {"bytes": f.bytes, "sha256": f.sha256} for name, f in files.items()},
        }
        path = directory / MODEL_FILE
        path.write_text(json.dumps(described, indent=1) + "\n")
        fsync_file(path)
        fsync_dir(directory)

    @classmethod
    def load(cls, directory: Path) -> "TokenModel":
        """Read a model's folder; every file is small and checked in full. Raises CorruptFile, UnknownFormat."""
        described = read_described(directory / MODEL_FILE, "xtr-token-model", MODEL_FORMAT, WIDE_MODEL_FORMAT)
        arrays = {}
        for name, (dtype, axes) in ARRAYS.items():
            file = directory / f"{name}.npy"
            check(file, FileRecord(**described["files"][file.name]), f"{directory.name}/{file.name}")
            arrays[name] = open_array(file, f"{directory.name}/{file.name}", dtype, (None,) * axes, mmap=False)
        model = cls(**arrays, token_norm=described["token_norm"], training=described["training"])
        stated = described["format_version"]
        if stated != model.format_version:
            raise CorruptFile(
                f"{directory.name}/{MODEL_FILE}",
                f"format_version {model.format_version} of {len(model.centroids)} centroids",
                f"{stated}",
            )
        if model.fingerprint != described["fingerprint"]:
            raise CorruptFile(
                f"{directory.name}/{MODEL_FILE}", f"fingerprint {described['fingerprint']}", model.fingerprint
            )
        return model
