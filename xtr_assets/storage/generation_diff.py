"""What differs between two generations: chunks by id and text, encoder, recipes, profiles, verdicts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from xtr_assets.core.types import Ints
from xtr_assets.storage.generation import Generation


@dataclass(frozen=True, eq=False)
class GenerationDiff:
    """From generation `before` to generation `after`.

    added, removed, changed : int64 chunk_ids, ascending; changed ones have another text. kept : how many are the same.
    sources : added, removed and changed chunks by source. settings : what else differs, (before, after) by name:
    encoder, recipes, profiles, values of checks.
    """

    before: int
    after: int
    added: Ints
    removed: Ints
    changed: Ints
    kept: int
    sources: Mapping[str, Mapping[str, int]]
    settings: Mapping[str, tuple[Any, Any]]

    @property
    def same_chunks(self) -> bool:
        """Whether both hold the same texts at the same places."""
        return not (len(self.added) or len(self.removed) or len(self.changed))

    def document(self) -> dict[str, Any]:
        """JSON-able, with counts in place of ids."""
        counts = {"added": len(self.added), "removed": len(self.removed), "changed": len(self.changed)}
        return {
            "before": self.before,
            "after": self.after,
            **counts,
            "kept": self.kept,
            "sources": {source: dict(found) for source, found in self.sources.items()},
            "settings": {name: {"before": old, "after": new} for name, (old, new) in self.settings.items()},
        }


def diff(before: Generation, after: Generation) -> GenerationDiff:
    """Compare live chunks and settings, in time linear in the rows of both. No collection takes either meanwhile."""
    with before.pin(), after.pin():
        return _compared(before, after)


def _compared(before: Generation, after: Generation) -> GenerationDiff:
    # 30 CPU ms of import, which whoever reads a warehouse need not pay.
    import pyarrow.compute as pc

    columns = ["chunk_id", "text_hash", "source"]
    old, new = (one.chunk_table(columns).drop_columns("row") for one in (before, after))
    both = old.join(new, "chunk_id", join_type="full outer", left_suffix=" before", right_suffix=" after")
    here, there = (pc.is_valid(both[f"text_hash {side}"]) for side in ("before", "after"))
    differs = pc.fill_null(pc.not_equal(both["text_hash before"], both["text_hash after"]), False)
    found = {
        "added": both.filter(pc.invert(here)),
        "removed": both.filter(pc.invert(there)),
        "changed": both.filter(differs),
    }
    sources: dict[str, dict[str, int]] = {}
    for what, rows in found.items():
        named = pc.coalesce(rows["source after"], rows["source before"])
        for entry in pc.value_counts(named).to_pylist():
            sources.setdefault(entry["values"], dict.fromkeys(found, 0))[what] = entry["counts"]
    ids = {what: np.sort(rows["chunk_id"].to_numpy()) for what, rows in found.items()}
    kept = both.num_rows - sum(map(len, ids.values()))
    return GenerationDiff(
        before.number,
        after.number,
        **ids,
        kept=kept,
        sources=dict(sorted(sources.items())),
        settings=_settings(before, after),
    )


def _settings(before: Generation, after: Generation) -> dict[str, tuple[Any, Any]]:
    """What differs, by a dotted name."""
    old, new = _described(before), _described(after)
    return {name: (old.get(name), new.get(name)) for name in sorted(old | new) if old.get(name) != new.get(name)}


def _described(generation: Generation) -> dict[str, Any]:
    manifest = generation.manifest
    described: dict[str, Any] = {
        "encoder": manifest.encoder.name,
        "fingerprint": manifest.fingerprint,
        "legs": ", ".join(sorted(manifest.legs)),
        "segments": len(manifest.segments),
        "live_rows": manifest.live_rows,
    }
    for kind, values in (("recipe", manifest.recipe), ("profile", manifest.profile)):
        for index, fields in values.items():
            plain = fields.items() if isinstance(fields, dict) else [("", fields)]
            described |= {
                f"{kind}.{index}.{name}": value for name, value in plain if not isinstance(value, dict | list)
            }
    return described | {f"check.{record.name}": record.value for record in generation.check_results()}
