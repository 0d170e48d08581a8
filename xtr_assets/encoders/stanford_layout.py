"""Stanford's layout of a ColBERT: the projection lies among the weights, the settings in artifact.metadata."""

import string
from pathlib import Path

from xtr_assets.core.errors import ProviderError
from xtr_assets.encoders.late_layout import DenseStep, Expansion, LateLayout, Side, json_file, setting
from xtr_assets.encoders.model_weights import weights_file

METADATA = "artifact.metadata"
# What the settings of stanford-futuredata/ColBERT have where the metadata say nothing.
QUERY_LENGTH, DOCUMENT_LENGTH = 32, 220
QUERY_MARKER, DOCUMENT_MARKER = "[unused0]", "[unused1]"


def read_stanford(folder: Path, trust_pickle: bool = False) -> LateLayout:
    """Raises ProviderError."""
    origin = folder / METADATA
    found = json_file(origin) if origin.is_file() else {}
    if (way := setting(found, "interaction", str, "colbert", origin)) != "colbert":
        raise ProviderError(f"{origin}: `interaction` is {way!r}, only 'colbert' (MaxSim) is supported; take another")
    masked = setting(found, "mask_punctuation", bool, True, origin)
    return LateLayout(
        written_by="stanford",
        backbone=folder,
        query=Side(
            marker=setting(found, "query_token_id", str, QUERY_MARKER, origin),
            length=setting(found, "query_maxlen", int, QUERY_LENGTH, origin),
        ),
        document=Side(
            marker=setting(found, "doc_token_id", str, DOCUMENT_MARKER, origin),
            length=setting(found, "doc_maxlen", int, DOCUMENT_LENGTH, origin),
        ),
        steps=(DenseStep("linear", weights_file(folder, trust_pickle)),),
        expansion=Expansion(
            length=setting(found, "query_maxlen", int, QUERY_LENGTH, origin),
            attend=setting(found, "attend_to_mask_tokens", bool, False, origin),
        ),
        skip=tuple(string.punctuation) if masked else (),
        skip_pieces=True,
    )
