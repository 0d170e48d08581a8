"""The card of a head: what it was made of, how, what it finds, and what it was not tried on."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.json_document import read_json
from xtr_assets.pipeline.heads.head_measure import Comparison
from xtr_assets.pipeline.heads.leg_sum import SUMMED
from xtr_assets.pipeline.heads.pair_sources import Origin

# The name, among those of the seeds, of the head whose matrix is the mean of theirs.
MEAN = "mean"
RULE = (
    "Chosen among the seeds and the mean of their matrices: the highest mean over the sets of nDCG@10 in the sum with "
    "the embedding and BM25; fixed before training."
)
LIMITS = (
    "What it finds in languages, spoken or programmed, that neither the packages nor the sets are in was not measured.",
    "Questions are docstrings, names, headings and sentences, as authors write them; those of people who search are "
    "shorter and differ.",
    "Answers were cut to `answer_tokens` for training; what it finds in longer ones, the judged sets say.",
    "The seed, or their mean, was chosen on the sets that are shown: of several alike the best one is a little lucky.",
    "Packages copy from each other: what of a test set that was not named here stands in a package is not known.",
)


@dataclass(frozen=True, slots=True)
class Overlap:
    """What the check for near copies did. `planted` of it were put in on purpose."""

    references: Mapping[str, int]
    shingles: int
    length: int
    contained: float
    checked: int
    answers_dropped: int
    questions_dropped: int
    planted: int
    planted_found: int

    @property
    def works(self) -> bool:
        """Whether it found most of what was planted: of a text that is one long line a copy may keep too little."""
        return 2 * self.planted_found >= self.planted > 0


@dataclass(frozen=True, slots=True)
class HeadCard:
    """JSON beside the head. `sha256` is of the head's file, `model` of the weights under it. `sets` has each seed, and
    MEAN, as `chosen` names it; cards of before have numbers there."""

    sha256: str
    model: str
    dim: int
    size: int
    made_by: str
    recipe: Mapping[str, Any]
    pairs: Mapping[str, int]
    held_out: Sequence[str]
    origins: Sequence[Mapping[str, Any]]
    overlap: Mapping[str, Any]
    seeds: Sequence[int]
    chosen: int | str
    rule: str
    sets: Mapping[str, Sequence[Mapping[str, Any]]]
    verdict: str
    cpu_seconds: float
    limits: Sequence[str] = LIMITS

    def to_bytes(self) -> bytes:
        return (json.dumps(self.document(), indent=1, sort_keys=True) + "\n").encode("ascii")

    @classmethod
    def from_bytes(cls, data: bytes) -> "HeadCard":
        """Raises InvalidInput where it is no card, or lacks a part."""
        try:
            return cls(**read_json(data))
        except (TypeError, ValueError) as error:
            raise InvalidInput(
                f"this is no card of a head: {error}; train it again with `xtr-assets train-head`"
            ) from error

    def document(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)

    def markdown(self) -> str:
        """The same to be read."""
        lines = [
            f"# Head {self.sha256[:8]}",
            "",
            f"Turns token states of the model {self.model[:8]} into token embeddings of {self.dim} dimensions "
            f"({self.size:,} bytes, sha256 `{self.sha256}`). Made by {self.made_by} in {self.cpu_seconds:.0f} CPU s.",
            "",
            "## What it finds",
            "nDCG@10 with 95 % bootstrap intervals; `now` is the head that it replaces, `dense` the model's own "
            "embedding, the sum is that of the hybrid ranking. " + self.rule,
            "",
            "| seed | set (questions) | dense | now, alone | trained, alone | gain over now | gain over dense "
            "| now, in the sum | trained, in the sum | gain in the sum |",
            "|---|---|---|---|---|---|---|---|---|---|",
        ]
        for seed, sets in self.sets.items():
            mark = " (chosen)" if str(self.chosen) == seed else ""
            for one in sets:
                alone, summed = ("dense", "now", "trained"), (f"now{SUMMED}", f"trained{SUMMED}")
                cells = [f"{one['ndcg@10'][name]['mean']:.3f}" for name in (*alone, *summed)]
                gains = [_interval(one[f"gain_{name}"]) for name in ("over_now", "over_dense", "in_the_sum")]
                told = " | ".join([*cells[:3], *gains[:2], *cells[3:], gains[2]])
                lines.append(f"| {seed}{mark} | {one['set']} ({one['questions']}) | {told} |")
        lines += ["", self.verdict, "", "## What it was trained on", ""]
        lines += [f"- {count:,} pairs of kind {kind}" for kind, count in sorted(self.pairs.items())]
        lines += [
            "",
            f"Held out: {', '.join(self.held_out) or 'none'}.",
            "",
            "| package | version | licence | pairs | file, sha256 |",
        ]
        lines += ["|---|---|---|---|---|"]
        for one in self.origins:
            given = one.get("refused") or sum(one.get("pairs", {}).values())
            file = f"{one.get('file', '')} `{one.get('sha256', '')}`" if one.get("sha256") else ""
            lines.append(f"| {one['name']} | {one.get('version', '')} | {one.get('licence', '')} | {given} | {file} |")
        lines += ["", "## Near copies of what it is measured on", ""]
        lines += [f"- {name}: {value}" for name, value in self.overlap.items()]
        lines += ["", "## Recipe", ""]
        lines += [f"- {name}: {value}" for name, value in sorted(self.recipe.items())]
        lines += ["", "## Limits", "", *(f"- {limit}" for limit in self.limits)]
        return "\n".join(lines) + "\n"


def verdict_of(comparisons: Sequence[Comparison]) -> tuple[bool, str]:
    """Whether a head may take the place of the one there is, and why in words.

    It may not where it is surely worse on a set, in the sum: the whole interval of the paired difference lies below
    zero.
    """
    gains = [(one.name, one.gain(f"trained{SUMMED}", f"now{SUMMED}")) for one in comparisons]
    worse = "; ".join(f"{name}: {gain}" for name, gain in gains if gain.high < 0)
    if worse:
        return False, f"Refused: surely worse in the sum than the head there is on {worse} (nDCG@10, 95 % interval)."
    told = "; ".join(f"{name} {gain}" for name, gain in gains)
    return True, f"In the sum not worse than the head there is beyond the interval on any set: {told} (nDCG@10)."


def origins_json(origins: Sequence[Origin]) -> list[dict[str, Any]]:
    return [one.as_json() for one in origins]


def _interval(value: Mapping[str, float]) -> str:
    return f"{value['mean']:+.3f} [{value['low']:+.3f}, {value['high']:+.3f}]"
