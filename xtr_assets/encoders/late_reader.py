"""Which layout a folder has, and the encoder over it."""

from importlib.util import find_spec
from pathlib import Path

from xtr_assets.config import LateInteractionConfig, XtrConfig
from xtr_assets.core.errors import ProviderError
from xtr_assets.encoders.late_interaction import LateInteraction
from xtr_assets.encoders.late_layout import (
    MODEL_CONFIG,
    MODULES,
    PICKLED_WEIGHTS,
    SENTENCE_SETTINGS,
    STANFORD_ARCHITECTURE,
    LateLayout,
    json_file,
)
from xtr_assets.encoders.model_place import locate_model
from xtr_assets.encoders.precision import choose_device
from xtr_assets.encoders.pylate_layout import OWN_TYPE, PYLATE_TYPE, read_modules
from xtr_assets.encoders.stanford_layout import METADATA, read_stanford
from xtr_assets.encoders.xtr_layout import ENCODERS, PROJECTION, read_xtr

PACKAGES = ("tokenizers", "safetensors", "transformers")


def open_late_interaction(config: LateInteractionConfig, device: str) -> LateInteraction:
    """The encoder of `kind: late-interaction`. Raises ProviderError, ConfigError."""
    _require_packages(config.kind)
    # The weights alone are there where somebody opened the bare transformer: without the rest they are another model.
    folder = locate_model(config, needs=(MODULES, METADATA))
    return LateInteraction(folder, read_late(folder, config.trust_pickle), config, choose_device(device))


def open_xtr(config: XtrConfig, device: str) -> LateInteraction:
    """The encoder of `kind: xtr`. Raises ProviderError, ConfigError."""
    _require_packages(config.kind)
    folder = locate_model(config, [f"{PROJECTION}/{PICKLED_WEIGHTS}"], (PROJECTION,))
    return LateInteraction(folder, read_xtr(folder), config, choose_device(device))


def _require_packages(kind: str) -> None:
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise ProviderError(f'the encoder {kind} needs {", ".join(missing)}; `pip install "xtr-assets[models]"`')


def read_late(folder: Path, trust_pickle: bool = False) -> LateLayout:
    """The layout of PyLate, of sentence-transformers' multi-vector models, or Stanford's. Raises ProviderError."""
    settings = json_file(folder / SENTENCE_SETTINGS) if (folder / SENTENCE_SETTINGS).is_file() else {}
    if settings.get("model_type") not in (PYLATE_TYPE, OWN_TYPE) and _is_xtr(folder):
        raise ProviderError(f"{folder} is an XTR (T5 and {PROJECTION}); set `kind: xtr`")
    if (folder / MODULES).is_file():
        return read_modules(folder, trust_pickle)
    if STANFORD_ARCHITECTURE in (json_file(folder / MODEL_CONFIG).get("architectures") or ()):
        return read_stanford(folder, trust_pickle)
    raise ProviderError(
        f"{folder} has no projection: no {MODULES} (PyLate, sentence-transformers) and no architecture "
        f"{STANFORD_ARCHITECTURE} in {MODEL_CONFIG} (Stanford); take a model that was trained for late interaction, a "
        "random projection would find nothing"
    )


def _is_xtr(folder: Path) -> bool:
    return (
        (folder / PROJECTION).is_dir()
        and (folder / MODEL_CONFIG).is_file()
        and json_file(folder / MODEL_CONFIG).get("model_type") in ENCODERS
    )
