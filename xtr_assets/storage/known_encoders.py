"""Encoders in warehouse.json: every one that a generation here was made with, and what it made of pinned texts."""

from typing import Any

from xtr_assets.core.errors import CorruptFile
from xtr_assets.core.files import write_atomic
from xtr_assets.core.types import Legs
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.history import whole_lines
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.manifest import CANARY_KEY, EncoderInfo, Manifest
from xtr_assets.storage.warehouse_info import WarehouseInfo, read_info


def remember_encoder(layout: Layout, fingerprint: str, encoder: EncoderInfo) -> None:
    """Keep what an encoder says of itself, the first time."""
    info = read_info(layout)
    if fingerprint not in info.encoders:
        _keep(layout, info, fingerprint, encoder)


def legs_known(layout: Layout) -> dict[str, Legs]:
    """What each encoder that a generation here was made with gives, by fingerprint."""
    return {fingerprint: one.given for fingerprint, one in read_info(layout).encoders.items()}


def canary_of(layout: Layout, fingerprint: str) -> dict[str, Any] | None:
    """What this encoder made of pinned texts when a generation of it first served here; None where nobody asked."""
    kept = read_info(layout).encoders.get(fingerprint)
    return None if kept is None else getattr(kept, CANARY_KEY, None)


def remember_canary(layout: Layout, published: Generation) -> WarehouseInfo | None:
    """Keep the canary that a generation brings, the first time. What somebody forced is evidence of nothing."""
    canary, fingerprint = published.manifest.notes.get(CANARY_KEY), published.fingerprint
    if canary is None or published.manifest.forced is not None or canary_of(layout, fingerprint) is not None:
        return None
    info = read_info(layout)
    encoder = info.encoders.get(fingerprint, published.manifest.encoder)
    return _keep(layout, info, fingerprint, encoder.model_copy(update={CANARY_KEY: canary}))


def take_encoder(layout: Layout, fingerprint: str, brought: EncoderInfo) -> WarehouseInfo:
    """Keep the encoder of an import. A canary that is known here stays; else that of the import holds: its vectors are
    mixed with those made here."""
    info = read_info(layout)
    if getattr(info.encoders.get(fingerprint), CANARY_KEY, None) is not None:
        return info
    return _keep(layout, info, fingerprint, brought)


def encoder_for(info: WarehouseInfo, manifest: Manifest) -> EncoderInfo:
    """The encoder of a generation as warehouse.json has it. CorruptFile where it has none, or one of other dims."""
    known = info.encoders.get(manifest.fingerprint)
    if known is None:
        raise CorruptFile(
            "warehouse.json", f"the encoder {manifest.fingerprint[:8]} of generation {manifest.number}", "none"
        )
    said, noted = ((one.dim, one.token_dim) for one in (manifest.encoder, known))
    if said != noted:
        raise CorruptFile("warehouse.json", f"encoder {manifest.fingerprint[:8]} with dims {said}", f"dims {noted}")
    return known


def _keep(layout: Layout, info: WarehouseInfo, fingerprint: str, encoder: EncoderInfo) -> WarehouseInfo:
    kept = info.with_encoders({**info.encoders, fingerprint: encoder}, whole_lines(layout))
    write_atomic(layout.warehouse_json, kept.to_bytes())
    return kept
