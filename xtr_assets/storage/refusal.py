"""Why a generation does not serve, in words for people: what was measured, what is asked, and what to do."""

from collections.abc import Sequence
from typing import Any

from xtr_assets.storage.content import TakenBack
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.history_entry import HistoryEntry
from xtr_assets.storage.manifest import CheckRecord
from xtr_assets.storage.requirement import Unmet

# What the recall checks measured, and the setting that holds their threshold: records of older releases do not say.
MEASURED = {
    "dense_recall": ("of the dense index", "recall.dense"),
    "dense_recall_new_rows": ("of the dense index on new rows", "recall.new_rows"),
    "xtr_recall": ("of late interaction", "recall.xtr"),
    "xtr_recall_new_rows": ("of late interaction on new rows", "recall.new_rows"),
}
# Two figures that differ are told with as many digits as show it, up to so many.
MOST_DIGITS = 6


def figures(*values: float) -> tuple[str, ...]:
    """Numbers for people: three digits, more only where two that differ would look alike."""
    for digits in range(3, MOST_DIGITS + 1):
        shown = tuple(f"{value:.{digits}f}".rstrip("0").rstrip(".") for value in values)
        if len(set(shown)) == len(set(values)):
            break
    return shown


def sentence(record: CheckRecord) -> str:
    """What a check found, in one sentence without its end: its own words, else what the record tells."""
    said = str(record.details.get("summary") or "").rstrip(". ")
    return said or _told(record)


def remedy(record: CheckRecord) -> str:
    """Which setting or command changes what the check found; empty where none is known."""
    said = str(record.details.get("remedy") or "").rstrip(". ")
    if said or record.name not in MEASURED:
        return said
    return (
        f"`xtr-assets tune` says what other search settings find; `{MEASURED[record.name][1]}` in xtr.yaml is what is "
        "asked"
    )


def _told(record: CheckRecord) -> str:
    problems = record.details.get("problems")
    if isinstance(problems, list) and problems:
        return f"{int(record.value or len(problems))} problems, the first: {problems[0]}"
    if record.value is None:
        return str(record.details.get("reason") or record.details.get("basis") or "nothing was measured")
    if record.threshold is None:
        return f"measured {figures(record.value)[0]}"
    if record.name in MEASURED:
        return _recall(record, record.threshold, record.details)
    value, asked = figures(record.value, record.threshold)
    return f"measured {value}; {asked} is asked"


def _recall(record: CheckRecord, threshold: float, details: dict[str, Any]) -> str:
    what = f"recall@{details['k']}" if "k" in details else "recall"
    what = f"{what} {MEASURED[record.name][0]}"
    assert record.value is not None
    mean = details.get("mean")
    if not isinstance(mean, float) or mean == record.value:
        value, asked = figures(record.value, threshold)
        return f"{what} is {value}; {asked} is asked"
    shown, value, asked = figures(mean, record.value, threshold)
    surely = "at least" if record.value <= mean else "at most"
    return f"{what} is {shown}, surely {surely} {value}; {asked} is asked"


def not_published(number: int, found: Sequence[Unmet], lacking: Sequence[str] = ()) -> str:
    """The refusal of a generation whose checks do not let it serve; `lacking` is what no step has made of it."""
    lines = [f"generation {number} is not published:"]
    for one in found:
        name = f"{one.name}: " if one.name else ""
        lines.append(f"  {name}{one.problem if one.record is None else sentence(one.record)}")
        if one.record is not None and (advice := remedy(one.record)):
            lines.append(f"    {advice}")
    helps = unmade_line(lacking) if lacking else force_line(number)
    return "\n".join([*lines, f"build again once that is repaired{'; ' if lacking else ', or '}{helps}"])


def unmade_line(lacking: Sequence[str]) -> str:
    """Why nobody publishes past a check that stopped a build."""
    return f"it stopped there, without {', '.join(lacking)}: there is nothing to search, and it cannot be forced"


def publish_line(number: int) -> str:
    """How somebody lets a generation serve."""
    return f"`xtr-assets publish {number}` (in Dagster: `publish`)"


def force_line(number: int) -> str:
    """How somebody publishes past a check."""
    command = f'`xtr-assets publish {number} --force --reason "..."`'
    return f"publish it all the same, which is kept: {command} (in Dagster: `publish` with `force`)"


def again_line(number: int) -> str:
    """How somebody lets serve what was taken back."""
    return f'`xtr-assets publish {number} --again --reason "..."` (in Dagster: `publish` with `again`)'


def was_taken_back(number: int, back: TakenBack) -> str:
    """The refusal of a generation whose content somebody took back."""
    alike = "was made from the same files as" if back.by_files else "holds exactly what"
    held = "" if back.by_files else " held"
    what = "was" if back.generation == number else f"{alike} generation {back.generation}{held}, which was"
    return f"generation {number} {what} {back}; it serves again only where a person says so: {again_line(number)}"


def withdrawn_along(line: HistoryEntry, serves: Generation | None, of: str = "") -> list[str]:
    """What became of other generations that were made from the same files as the one that a line of the history says
    was withdrawn. of : " of part NAME", of an index of parts."""
    told = []
    if line.also:
        told.append(f"made from the same files, and withdrawn with it: {', '.join(map(str, line.also))}{of}")
    if line.action == "withdrawn" and line.files is None and serves is not None:
        told.append(
            f"generation {serves.number}{of} was made from the same files: where these are what must not serve, take "
            "them out and build, or withdraw it as well"
        )
    return told
