"""The files of the user's that an encoder is read from: what they are now, though the settings that name them stay."""

import hashlib
import json
from functools import lru_cache
from pathlib import Path

from xtr_assets.config import (
    EncoderConfig,
    EncoderPair,
    MiniLmConfig,
    ModelConfig,
    PythonConfig,
    SentenceTransformersConfig,
    StaticConfig,
)
from xtr_assets.core.files import sha256_file
from xtr_assets.encoders.model_place import read_files


def files_now(config: EncoderConfig) -> str:
    """A digest of the model's folder or the head's file; empty where settings alone decide (a package, a commit of the
    hub, an endpoint) or where there is no such folder, which opening the encoder says."""
    if isinstance(config, EncoderPair):
        parts = [files_now(part) for part in (config.dense, config.tokens) if part is not None]
        return " ".join(parts) if any(parts) else ""
    if isinstance(config, MiniLmConfig):
        if not isinstance(config.head, Path):
            return ""
        from xtr_assets.encoders.head_file import head_sha256

        return head_sha256(config.head)
    if not isinstance(config, ModelConfig | StaticConfig):
        return ""
    folder = Path(config.model).expanduser()
    if not folder.is_dir():
        return ""
    trusting = isinstance(config, ModelConfig) and config.trust_pickle
    code = isinstance(config, SentenceTransformersConfig) and config.remote_code is not None
    found = {
        path.relative_to(folder).as_posix(): _sha256(path, *_state(path))
        for path in read_files(folder, pickles=trusting, code=code)
    }
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


def decided_by_settings(config: EncoderConfig) -> bool:
    """Whether settings and files tell the fingerprint: not that of somebody's own code."""
    parts = (config.dense, config.tokens) if isinstance(config, EncoderPair) else (config,)
    return not any(isinstance(part, PythonConfig) for part in parts)


def _state(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino


# A sensor asks every minute: what has the size, time and inode that it had is not read again.
@lru_cache(maxsize=256)
def _sha256(path: Path, size: int, time_ns: int, inode: int) -> str:  # noqa: ARG001 (they tell one state from another)
    return sha256_file(path)
