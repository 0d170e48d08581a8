"""The checks of the gate: their names, and which of them a generation must pass before it may serve."""

from xtr_assets.config import IndexConfig

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
# Recorded and shown, but nobody is kept from serving by them.
WARNING = ("shadow_diff", "list_balance", "token_drift")


def required_checks(config: IndexConfig) -> tuple[str, ...]:
    """What `publish` is to require of this index."""
    return (*ALWAYS_REQUIRED, "judged_quality") if has_judgments(config) else ALWAYS_REQUIRED


def has_judgments(config: IndexConfig) -> bool:
    """Whether somebody judged answers to the queries of this index."""
    return config.queries is not None and config.queries.judgments is not None
