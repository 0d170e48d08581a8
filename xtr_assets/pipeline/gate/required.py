"""The checks of the gate: their names, and which of them a generation must pass before it may serve."""

from typing import Any

from xtr_assets.config import IndexConfig, RecallConfig
from xtr_assets.pipeline.derive.exact_neighbors import neighbor_files
from xtr_assets.pipeline.queries.gate_queries import QUERY_FILES
from xtr_assets.search.loaders import DENSE_FILE
from xtr_assets.storage.catalog import CATALOG_NAME
from xtr_assets.storage.draft import TOKEN_INDEX
from xtr_assets.storage.generation import TOMBSTONES_NAME
from xtr_assets.storage.id_map import ID_MAP_NAME
from xtr_assets.storage.manifest import CheckRecord, RequiredCheck

# Blocking checks that every generation needs a passing record of, for exactly its bytes. `publish` refuses without.
ALWAYS_REQUIRED = (
    "chunks_schema",
    "embeddings_valid",
    "tokens_valid",
    "dense_recall",
    "dense_recall_new_rows",
    "xtr_recall",
    "xtr_recall_new_rows",
    "id_map_bijection",
    "catalog_consistent",
    "files_verified",
)
_DENSE = (DENSE_FILE, *QUERY_FILES, *neighbor_files("dense"))
_TOKENS = (TOKEN_INDEX, *QUERY_FILES, *neighbor_files("xtr"))
# What each check must be about: files besides the rows' own, and values of the profile.
_SUBJECTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "dense_recall": (_DENSE, ("dense",)),
    "dense_recall_new_rows": (_DENSE, ("dense",)),
    "xtr_recall": (_TOKENS, ("xtr",)),
    "xtr_recall_new_rows": (_TOKENS, ("xtr",)),
    "id_map_bijection": ((ID_MAP_NAME,), ()),
    "catalog_consistent": ((ID_MAP_NAME, CATALOG_NAME, "catalog"), ()),
    "files_verified": ((DENSE_FILE, TOKEN_INDEX, ID_MAP_NAME, CATALOG_NAME, "catalog", TOMBSTONES_NAME), ()),
    "judged_quality": ((DENSE_FILE, TOKEN_INDEX), ("dense", "hybrid", "xtr")),
}
# The setting that holds the threshold of a check.
_THRESHOLDS = {
    "dense_recall": "dense",
    "dense_recall_new_rows": "new_rows",
    "xtr_recall": "xtr",
    "xtr_recall_new_rows": "new_rows",
}
# Recorded and shown, but nobody is kept from serving by them.
WARNING = ("shadow_diff", "list_balance", "token_drift")


def required_checks(config: IndexConfig) -> tuple[str, ...]:
    """What `publish` is to require of this index."""
    return (*ALWAYS_REQUIRED, "judged_quality") if has_judgments(config) else ALWAYS_REQUIRED


def requirement(config: IndexConfig) -> tuple[RequiredCheck, ...]:
    """The same with what each check must be about: kept in a draft when it is begun, and demanded by `publish`."""
    return tuple(RequiredCheck(name, 1, *_SUBJECTS.get(name, ((), ()))) for name in required_checks(config))


def threshold_document(record: CheckRecord) -> dict[str, Any]:
    """What the threshold of a check is by default, and whether this one asks for less; {} where no setting holds it."""
    field = _THRESHOLDS.get(record.name)
    if field is None or record.threshold is None:
        return {}
    default = float(RecallConfig.model_fields[field].default)
    return {"default_threshold": default, "lowered": record.threshold < default}


def has_judgments(config: IndexConfig) -> bool:
    """Whether somebody judged answers to the queries of this index."""
    return config.queries is not None and config.queries.judgments is not None
