"""What a manifest may say of names and rows: told as it is read, before anything is opened by what it says."""

from collections.abc import Iterable, Mapping, Sequence

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.types import Legs
from xtr_assets.storage.layout import safe_name

# The deepest file of a warehouse has six parts; no file system opens a name of a thousand.
MOST_PARTS = 16
# 2^40 rows of one byte would be a terabyte; what is beyond is damage, and would be asked of memory.
MOST_ROWS = 2**40
# Lines are int32 in the columns that shifts are added to.
MOST_LINES = 2**31 - 1
# So much of a name that is refused is shown.
SHOWN_CHARS = 120


def name_problem(
    files: Iterable[str], number: int, snapshots: Mapping[str, str], segments: frozenset[str]
) -> str | None:
    """What is wrong with the names. What they name is read, copied and collected: only files that generations have."""
    try:
        for one in (*snapshots, *snapshots.values(), *segments):
            safe_name(one[: SHOWN_CHARS + 1], "shard, snapshot or segment")
    except InvalidInput as error:
        return str(error)
    foreign = next((name for name in files if not _may_name(name, number, snapshots, segments)), None)
    if foreign is None:
        return None
    return f"{foreign[:SHOWN_CHARS]!r} is no file of generation {number}, nor one that generations share"


def _may_name(name: str, number: int, snapshots: Mapping[str, str], segments: frozenset[str]) -> bool:
    parts = name.split("/")
    if (
        not 3 <= len(parts) <= MOST_PARTS
        or any(part in ("", ".", "..") or "\0" in part for part in parts)
        or parts[1].startswith(".")
    ):
        return False
    if parts[0] == "generations":
        return parts[1] == str(number) and parts[2:] not in (["manifest.json"], ["manifest.json.sha256"])
    if parts[0] == "shards":
        return len(parts) == 3 and parts[2] == f"{snapshots.get(parts[1])}.json"
    return parts[0] == "models" or (parts[0] == "segments" and parts[1] in segments)


def leg_problem(files: Iterable[str], segments: frozenset[str], fingerprint: str, legs: Legs) -> str | None:
    """What is wrong with the legs: each segment has the list of just those that the generation has, and no file of
    another leg. A leg that got lost is not one that nobody wanted."""
    made_by = fingerprint[:8]
    lists = {"dense": f"embeddings.{made_by}.json", "tokens": f"tokens.{made_by}/files.json"}
    # Names are embeddings, too; postings are the tokens'.
    kinds = {"dense": (f"embeddings.{made_by}.", "names."), "tokens": (f"tokens.{made_by}/", "postings.")}
    there = {name.partition("/")[2] for name in files if name.startswith("segments/")}
    for leg in sorted(legs):
        lacking = sorted(one for one in segments if f"{one}/{lists[leg]}" not in there)
        if lacking:
            return f"segment {lacking[0]} without {lists[leg]}, and {leg} is a leg of the generation"
    absent = tuple(kind for leg in lists.keys() - legs for kind in kinds[leg])
    strange = sorted(name for name in there if absent and name.partition("/")[2].startswith(absent))
    return f"segments/{strange[0]}, of a leg that the generation does not have" if strange else None


def row_problem(placed: Iterable[tuple[int, int, int]], end_row: int, live_rows: int) -> str | None:
    """What is wrong with the rows: (base row, rows, live rows) of each segment, in order and apart, up to `end_row`."""
    cursor = 0
    for base, rows, alive in placed:
        if base < cursor:
            return f"a segment begins at row {base}, the one before it ends at {cursor}"
        if alive > rows:
            return f"{alive} live rows in a segment of {rows}"
        cursor = base + rows
    if not cursor <= end_row <= MOST_ROWS:
        return f"end_row {end_row}, the last segment ends at {cursor} and {MOST_ROWS} rows are the most"
    return None if live_rows <= end_row else f"{live_rows} live rows of {end_row}"


def shift_problem(shifts: Sequence[tuple[int, int, int]]) -> str | None:
    """What is wrong with shifts (core/line_shifts.py): runs of positions, ascending, by lines that there may be."""
    cursor = 0
    for start, stop, by in shifts:
        if not cursor <= start < stop <= MOST_ROWS or abs(by) > MOST_LINES:
            return f"shift [{start}, {stop}, {by}] after position {cursor}"
        cursor = stop
    return None
