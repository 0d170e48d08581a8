"""The layout of google/xtr-base-en and alike: a T5 encoder, and one projection in 2_Dense."""

from pathlib import Path

from xtr_assets.core.errors import ProviderError
from xtr_assets.encoders.late_layout import (
    MODEL_CONFIG,
    PICKLED_WEIGHTS,
    SAFE_WEIGHTS,
    DenseStep,
    LateLayout,
    Side,
    json_file,
)
from xtr_assets.encoders.pylate_layout import dense_step

PROJECTION = "2_Dense"
# T5 has no last position; XTR was trained, and is evaluated by its authors, with so many tokens.
LENGTH = 512
ENCODERS = ("t5", "mt5", "umt5")


def read_xtr(folder: Path) -> LateLayout:
    """Lower case, the end token kept, no prefix, no expansion, no skip list (Lee et al. 2023). Raises ProviderError.

    The published projection exists as a pickle only. It is one matrix, read by torch's restricted loader, which runs no
    code; every other pickle needs `trust_pickle`.
    """
    kind = json_file(folder / MODEL_CONFIG).get("model_type")
    if kind not in ENCODERS:
        raise ProviderError(
            f"{folder} holds a model of type {kind!r}; `kind: xtr` reads {', '.join(ENCODERS)}, for PyLate's and "
            "Stanford's models set `kind: late-interaction`"
        )
    place = folder / PROJECTION
    files = [place / name for name in (SAFE_WEIGHTS, PICKLED_WEIGHTS) if (place / name).is_file()]
    if not files:
        raise ProviderError(
            f"{folder} has no projection: no {SAFE_WEIGHTS} and no {PICKLED_WEIGHTS} in {PROJECTION}; get the whole "
            "model, its token embeddings are not what T5 alone gives"
        )
    settings = json_file(place / MODEL_CONFIG) if (place / MODEL_CONFIG).is_file() else None
    step = DenseStep(PROJECTION, files[0]) if settings is None else dense_step(place, PROJECTION, files[0], settings)
    return LateLayout("xtr", folder, Side(length=LENGTH), Side(length=LENGTH), (step,), lower=True)
