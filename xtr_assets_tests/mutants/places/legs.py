"""Faults of the legs: one that gets lost, one that is there and not said, and one that a segment lacks."""

import shutil
from pathlib import Path
from typing import Any

from xtr_assets_tests.mutants.fault import BOTH, INCREMENTAL, Mutant, on_disk, replaced

PLACE = "legs"
# In Dagster `legs_agree` fails before any index is derived; here all is derived first, and what looks for one that is
# not there raises.
LEGS = frozenset({"legs_agree", "GenerationError"})


def _without_tokens(original: Any) -> Any:
    """Whoever opens the encoder gets one without tokens: build and judge alike."""

    def opened(self: Any, dim: int = 64, token_dim: int = 32) -> None:
        original(self, dim, 0)

    return opened


def _listed_without_tokens(original: Any) -> Any:
    """Of every other segment."""

    def encoding_listings(self: Any, kind: Any, *, names: str = "") -> Any:
        found = original(self, kind, names=names)
        return found if self.segment_id[0] in "02468ace" else [one for one in found if not one.startswith("tokens.")]

    return encoding_listings


def _lost_on_disk(folder: Path) -> None:
    for tokens in sorted((folder / "warehouse" / "segments").glob("*/tokens.*"))[:1]:
        shutil.rmtree(tokens)


MUTANTS = (
    Mutant(
        "the encoder gives no tokens any more",
        PLACE,
        replaced("encoders.hashing:Hashing.__init__", _without_tokens),
        LEGS,
        BOTH,
    ),
    Mutant(
        "the manifest says one leg, and its files are of two",
        PLACE,
        replaced("storage.manifest:EncoderInfo.lone_leg", lambda _: lambda _: "dense"),
        # What serves is read first: it says nothing of one leg.
        frozenset({"InvalidInput", "CorruptFile"}),
    ),
    Mutant(
        "a segment is listed without its tokens",
        PLACE,
        replaced("storage.segment:Segment.encoding_listings", _listed_without_tokens),
        frozenset({"InvalidInput"}),
    ),
    Mutant(
        "the tokens of a segment are gone from the disk",
        PLACE,
        on_disk(_lost_on_disk),
        frozenset(),
        INCREMENTAL,
        equivalent="they are encoded again, to the same bytes",
    ),
)
