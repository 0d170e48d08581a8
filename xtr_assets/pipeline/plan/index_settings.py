"""The settings of an index that decide what a generation holds, as its manifest notes them."""

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from xtr_assets.config import NAMED_KINDS, EncoderConfig, EncoderPair, IndexConfig, MiniLmConfig
from xtr_assets.config.field_types import by_text, in_order
from xtr_assets.core.files import sha256_file
from xtr_assets.core.lexical_terms import TERMS_VERSION
from xtr_assets.core.name_text import NAME_VERSION, Naming
from xtr_assets.encoders.encoder_files import files_now
from xtr_assets.encoders.head_file import head_sha256
from xtr_assets.index.late.centroids import MODEL_FORMAT, WIDE_MODEL_FORMAT, TokenModel
from xtr_assets.index.late.postings import POSTINGS_FORMAT, WIDE_POSTINGS_FORMAT
from xtr_assets.pipeline.ingest.scan import shard_sources
from xtr_assets.search.blend import Blend
from xtr_assets.storage.content import SETTINGS_NOTE
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.generation import Generation

# The note of a draft that keeps what `judged_by` said when it was begun.
JUDGED_NOTE = "judged_by"

# Releases with two kinds noted the fields of both for each. Noted as they did, what they built is what is wanted now.
_NOTED_BEFORE: Mapping[str, Mapping[str, Any]] = {
    "minilm": {"dim": 64, "token_dim": 32},
    "hashing": {
        "weights": "package", "head": "projection", "max_tokens": 256, "keep_punctuation": False, "precision": "auto",
    },
}  # fmt: skip


def settings_of(config: IndexConfig) -> dict[str, Any]:
    """Everything but sources that decides what a generation holds and whether it may serve: JSON-able."""
    # A log grows with every question: that is no reason to build, only that it is asked from now on is one.
    queries: Any = "log" if config.queries_from_log else None
    if config.queries is not None:
        judged = config.queries.judgments
        queries = {
            "path": sha256_file(config.queries.path) if config.queries.path.is_file() else None,
            "judgments": sha256_file(judged) if judged is not None and judged.is_file() else None,
        }
    return {
        "recall": config.recall.model_dump(mode="json"),
        "dense": config.dense.model_dump(mode="json"),
        "encoder": encoder_settings(config.encoder),
        "queries": queries,
        # What an older release wrote this one may not read, or ranks as that release did: then the next build makes a
        # generation that it reads, and ranks as it does now.
        "formats": {
            "token_model": MODEL_FORMAT,
            "postings": POSTINGS_FORMAT,
            "terms": TERMS_VERSION,
            "ranking": Blend.standard().document(),
        },
        **names_setting(config),
    }


def said_of_sources(config: IndexConfig, own: Collection[str]) -> str:
    """A digest of what people say of the sources, wherever they lie: whether somebody asks for other chunks of the same
    files, or a release cuts them otherwise. A field that a release adds counts where it is set. own : fingerprints of
    sources and encoders of somebody's own code, which says so by them."""
    said = [in_order(one.model_dump(exclude_defaults=True, exclude={"path"})) for one in config.sources]
    held = [by_text(said), *sorted(own)] if own else by_text(said)
    return hashlib.sha256(json.dumps(held, sort_keys=True, default=str).encode()).hexdigest()


def judged_by(config: IndexConfig) -> dict[str, Any]:
    """What the checks ask beside that, by its name: it decides nothing of what a generation holds. JSON-able."""
    asked = {f"gate.{name}": value for name, value in config.gate.model_dump(mode="json").items()}
    return asked if config.queries is None else {**asked, "queries.floor": config.queries.floor}


def judged_otherwise(draft: Generation, config: IndexConfig) -> list[str]:
    """The names of what is asked otherwise by now than when the draft was begun; none where an earlier release began
    it, which noted nothing."""
    noted, now = draft.manifest.notes.get(JUDGED_NOTE), judged_by(config)
    if not isinstance(noted, dict):
        return []
    return differing(noted, now)


def differing(noted: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The names of settings that are not what was noted, sorted."""
    return sorted(name for name in {*noted, *now} if noted.get(name) != now.get(name))


def noted_settings(generation: Generation) -> dict[str, Any]:
    """The settings that a generation was built with, as `settings_of` would say them now: of more centroids than 16
    bits count it notes the formats of those, which are no wish of anybody's and are read as well."""
    noted: dict[str, Any] = generation.manifest.notes.get(SETTINGS_NOTE) or {}
    formats = noted.get("formats")
    if not isinstance(formats, dict):
        return noted
    wide = {"token_model": (WIDE_MODEL_FORMAT, MODEL_FORMAT), "postings": (WIDE_POSTINGS_FORMAT, POSTINGS_FORMAT)}
    usual = {name: plain for name, (other, plain) in wide.items() if formats.get(name) == other}
    return {**noted, "formats": {**formats, **usual}}


def note_formats(draft: Draft, model: TokenModel) -> None:
    """Let a draft note the formats of a token index of more centroids than 16 bits count: a release that does not read
    them builds anew what it cannot open, although nothing else changed."""
    noted = draft.manifest.notes.get(SETTINGS_NOTE)
    if model.format_version == WIDE_MODEL_FORMAT and isinstance(noted, dict) and "formats" in noted:
        own = {"token_model": WIDE_MODEL_FORMAT, "postings": WIDE_POSTINGS_FORMAT}
        draft.set_note(SETTINGS_NOTE, {**noted, "formats": {**noted["formats"], **own}})


def encoder_settings(config: EncoderConfig) -> dict[str, Any]:
    """The encoder's settings with the head by its sha256, and a folder by that of its files: a release may ship another
    one, and a file may be written anew, under the name that it had. Where a host has the weights of minilm, and in what
    it multiplies, is no reason to build: vectors are the same, and no record says so to who serves."""
    if isinstance(config, EncoderPair):
        parts = {"dense": config.dense, "tokens": config.tokens}
        return {leg: encoder_settings(part) for leg, part in parts.items() if part is not None}
    settings: dict[str, Any] = {**_NOTED_BEFORE.get(config.kind, {}), **config.model_dump(mode="json")}
    if settings.get("precision", "int8") != "int8":  # which is another encoder
        settings["precision"] = "auto"
    if isinstance(config, MiniLmConfig):
        return {**settings, "weights": "package", "head": head_sha256(config.head)}
    files = files_now(config)
    return {**settings, "files": files} if files else settings


def own_head(config: EncoderConfig) -> Path | None:
    """The head file of the user's that makes the token embeddings."""
    part = config.tokens if isinstance(config, EncoderPair) else config
    return part.head if isinstance(part, MiniLmConfig) and isinstance(part.head, Path) else None


def names_setting(config: IndexConfig) -> dict[str, Any]:
    """What the settings say of names: how this release words them, and which sources chose against their kind's
    default. Nothing where no source has names or ever had a choice: such a generation is built as it always was. Nor
    where no text has an embedding."""
    if "dense" not in config.legs:
        return {}
    chosen = {one.name: one.named for one in config.sources if one.naming != NAMED_KINDS.get(one.holds, "")}
    if not chosen and not any(one.named for one in config.sources):
        return {}
    of_code = sorted(one.name for one in config.sources if one.naming == "code")
    return {"names": {"version": NAME_VERSION, "chosen": chosen, **({"code": of_code} if of_code else {})}}


def named_shards(config: IndexConfig) -> dict[str, Naming]:
    """The shards with name vectors, and which of their rows have them: names are embeddings."""
    if "dense" not in config.legs:
        return {}
    shards = shard_sources(config).items()
    return {shard: naming for shard, source in shards if (naming := source.config.naming)}


def shards_named_in(generation: Generation, config: IndexConfig) -> frozenset[str]:
    """Of the shards whose rows have name vectors by `config`, those of which the same rows had them, worded so, in a
    generation."""
    said = generation.manifest.notes.get(SETTINGS_NOTE, {}).get("names", {})
    if said.get("version") != NAME_VERSION:
        return frozenset()
    sources, chosen, of_code = shard_sources(config), said["chosen"], said.get("code", ())
    return frozenset(
        shard
        for shard, naming in named_shards(config).items()
        if (of := sources[shard].config)
        and chosen.get(of.name, of.holds in NAMED_KINDS)
        and (of.name in of_code) == (naming == "code")
    )
