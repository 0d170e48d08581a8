"""What Dagster shows of an asset before anything ran: where it lies, what makes it, what it is held to, its columns."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import pyarrow as pa

from xtr_assets.config import EncoderPair, IndexConfig, SourceConfig
from xtr_assets.core.field_problem import without_secrets
from xtr_assets.pipeline.queries.gate_queries import QUERY_SCHEMA
from xtr_assets.storage.catalog import VIEWS
from xtr_assets.storage.chunk_files import CHUNK_SCHEMA
from xtr_assets.storage.id_map import ID_MAP_SCHEMA

# Assets that are tables of rows; vectors and indexes have no columns.
TABLES: Mapping[str, pa.Schema] = {"chunks": CHUNK_SCHEMA, "id_map": ID_MAP_SCHEMA, "queries": QUERY_SCHEMA}

# What a column holds, where its name does not say it.
COLUMNS = {
    "chunk_id": "stable: derived from the chunk's place, not from its text",
    "path": "inside its source, with /",
    "symbol": "qualified name of a function or class, heading of a section, id of a record",
    "kind": "function, method, class, module, section, record, ...",
    "part": "number of the piece where a symbol's text was cut",
    "metadata": "JSON, what filters see as columns of their own",
    "text_hash": "16 bytes of BLAKE2b of title and text: equal ones are encoded once",
    "row": "position in the generation; what FAISS and the token index store",
    "segment": "the immutable files that hold the row",
    "position": "of the row inside its segment",
    "live": "false for rows that no search returns any more",
    "stratum": "fixed: inherited from generation to generation; new: drawn from the rows of the last change",
}


def definition_metadata(config: IndexConfig, asset: str) -> dict[str, Any]:
    """Metadata of an asset's definition. Nothing is opened for it."""
    shown: dict[str, Any] = {
        "warehouse": dg.MetadataValue.path(str(config.warehouse)),
        "encoder": encoder_name(config.encoder),
    }
    if asset in TABLES:
        shown["dagster/column_schema"] = column_schema(TABLES[asset])
        shown["dagster/table_name"] = f"{config.name}.{asset}"
    if asset == "catalog":
        shown["views"] = dg.MetadataValue.json(VIEWS)
    if asset == "faiss_index":
        shown |= {"recipe": config.dense.recipe, "target": config.dense.target}
    if asset == "published":
        shown["thresholds"] = dg.MetadataValue.json(thresholds(config))
    if asset == "chunks":
        shown["sources"] = dg.MetadataValue.json({one.name: source_place(one) for one in config.sources})
    return shown


def source_place(source: SourceConfig) -> str:
    """A source in a few words: its kind, and the path, address or asset that it reads."""
    place = source.asset if source.path is None else without_secrets(str(source.path))
    return source.kind if place is None else f"{source.kind}: {place}"


def encoder_name(encoder: Any) -> str:
    """An encoder in a few words: its kind, and its model where it has one. An address is never among them."""
    if isinstance(encoder, EncoderPair):
        parts = {"dense": encoder.dense, "tokens": encoder.tokens}
        return ", ".join(f"{leg}: {encoder_name(part)}" for leg, part in parts.items() if part is not None)
    model = getattr(encoder, "model", None)
    return str(encoder.kind) if model is None else f"{encoder.kind} {model}"


def thresholds(config: IndexConfig) -> dict[str, Any]:
    """What the gate asks of a generation before it serves."""
    asked = {f"recall.{name}": value for name, value in config.recall.model_dump().items()}
    asked["gate.shrink"] = config.gate.shrink
    if config.queries is not None and config.queries.floor is not None:
        asked["queries.floor"] = config.queries.floor
    return asked


def column_schema(schema: pa.Schema) -> dg.TableSchema:
    """The columns of an Arrow schema as Dagster shows them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                field.name,
                str(field.type),
                description=COLUMNS.get(field.name),
                constraints=dg.TableColumnConstraints(nullable=field.nullable, unique=field.name == "row"),
            )
            for field in schema
        ]
    )
