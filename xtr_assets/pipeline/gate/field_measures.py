"""What records that stayed lost besides their text, as (share, words): values of their fields, and their own text."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np

from xtr_assets.core.types import Ints
from xtr_assets.pipeline.gate.loss_measures import LEAST_RECORDS, both_places, share_of
from xtr_assets.pipeline.gate.source_stock import Texts

# A field that fewer records have (a sale, who has taken it) may go from all of them at once. And a status may become
# the same for many; where most had another one, of several, a constant was written.
MOST = 0.5
# Of fewer values as many may come as go by chance, as of what is in stock and what is not.
LEAST_VALUES = 5
# Texts that are held at once, while they are compared.
_BLOCK_ROWS = 4_096
# A date or a number at the beginning: of dates and ranks all change at once, and to one another.
_COUNTED = re.compile(r"\s*[+-]?[0-9]")

Value = object


@dataclass(frozen=True, slots=True)
class Rewritten:
    """Records of both sides that were written anew. at, to : int64 [n], their first rows before and now. stayed : how
    many records both sides have in all."""

    at: Ints
    to: Ints
    stayed: int

    def many(self, count: int, limit: float) -> bool:
        """Whether so many are more than may go without a question."""
        return count >= LEAST_RECORDS and count > limit * self.stayed


def fields_lost(kind: str, before: Texts, now: Texts, limit: float) -> tuple[float, str]:
    """The largest share of records that stayed and lost a value of their metadata, or their own text. Filters ask for
    these values, and no other measure sees them go."""
    if kind != "records" or not before.stored or not now.stored:
        return 0.0, ""
    first_before, first_now = (np.flatnonzero(one.parts == 0) for one in (before, now))
    # What lies in the same segment on both sides says the same, and is not read.
    anew = now.written_since(before)[first_now]
    if int(anew.sum()) <= limit * int((~anew).sum()):
        return 0.0, ""
    at, to = both_places(before.ids[first_before], now.ids[first_now])
    records = Rewritten(first_before[at][anew[to]], first_now[to][anew[to]], len(at))
    if not records.many(len(records.at), limit):
        return 0.0, ""
    moved = _moved(before, now, records)
    lost = values_lost(before, now, records, moved, limit), texts_exchanged(before, now, records, moved, limit)
    return max(lost, key=share_of)


def values_lost(
    before: Texts, now: Texts, records: Rewritten, moved: Mapping[int, int], limit: float
) -> tuple[float, str]:
    """The share of records whose value of a field went, became of another type, the same for all, or another one's."""
    held, holds = before.read(records.at, "metadata"), now.read(records.to, "metadata")
    differ = [place for place, (was, now_is) in enumerate(zip(held, holds, strict=True)) if was != now_is]
    read = [(json.loads(held[place]), json.loads(holds[place])) for place in differ]
    # What moved with its text is where it belongs.
    alone = [place not in moved for place in differ]
    shares = [(0.0, "")]
    for name in sorted({name for fields, _ in read for name in fields}):
        pairs = [(was.get(name), now_is.get(name)) for was, now_is in read]
        shares += [_same(name, pairs, records), _dealt(name, list(compress(pairs, alone)), records, limit)]
        for kind, lost in _retyped(pairs).items():
            had = _held(before, name, kind) if records.many(lost, limit) else 0
            if lost > limit * had and had >= MOST * records.stayed:
                shares.append((lost / had, f"{lost} of {had} records had {kind} in `{name}` and have none now"))
    return max(shares, key=share_of)


def texts_exchanged(
    before: Texts, now: Texts, records: Rewritten, moved: Mapping[int, int], limit: float
) -> tuple[float, str]:
    """The share of records that say what another one said, and kept their own title or fields: two columns that were
    sorted apart. Where an id is the number of a row all of them move together, and nothing is asked."""
    if not records.many(len(moved), limit):
        return 0.0, ""
    mine, theirs = np.array(list(moved)), np.array(list(moved.values()))
    told = (
        before.read(records.at[mine], "metadata"),
        before.read(records.at[theirs], "metadata"),
        now.read(records.to[mine], "metadata"),
    )
    count = sum(_kept(*(json.loads(value) for value in one)) for one in zip(*told, strict=True))
    if not records.many(count, limit):
        return 0.0, ""
    share = count / records.stayed
    return share, f"{count} of {records.stayed} records say what another one said, under a title or fields of their own"


def _moved(before: Texts, now: Texts, records: Rewritten) -> dict[int, int]:
    """The records that say now what another one said before, by their places, and the place of that one."""
    other = np.flatnonzero(before.hashes[records.at] != now.hashes[records.to])
    said, says = _hashed(before, records.at[other]), _hashed(now, records.to[other])
    whose = dict(zip(said, other.tolist(), strict=True))
    return {
        place: whose[text]
        for place, text, own in zip(other.tolist(), says, said, strict=True)
        if text != own and text in whose
    }


def _retyped(pairs: Sequence[tuple[Value, Value]]) -> dict[str, int]:
    """How many values of each type went, or became of another one."""
    return Counter(_type(was) for was, now_is in pairs if was is not None and _type(was) != _type(now_is))


def _held(texts: Texts, name: str, kind: str) -> int:
    """How many records have a value of a type. Asked where many lost theirs, and of all: 3 CPU s for a million."""
    rows = np.flatnonzero(texts.parts == 0)
    blocks = (rows[first : first + _BLOCK_ROWS] for first in range(0, len(rows), _BLOCK_ROWS))
    return sum(_type(json.loads(one).get(name)) == kind for block in blocks for one in texts.read(block, "metadata"))


def _same(name: str, pairs: Sequence[tuple[Value, Value]], records: Rewritten) -> tuple[float, str]:
    """Values of most records that became the same."""
    values = {_written(now_is) for _, now_is in pairs if _named(now_is)}
    changed = Counter(_written(was) for was, now_is in pairs if _named(was) and _named(now_is) and was != now_is)
    count, commonest = changed.total(), max(changed.values(), default=0)
    # A version, or a season, was the same for all before.
    if len(values) != 1 or not records.many(count, MOST) or commonest > MOST * records.stayed:
        return 0.0, ""
    share = count / records.stayed
    return share, f"`{name}` of {count} of {records.stayed} records that stayed became the same, {values.pop():.80}"


def _dealt(name: str, pairs: Sequence[tuple[Value, Value]], records: Rewritten, limit: float) -> tuple[float, str]:
    """Values that became those of other records: as many of each as before, but for one that came and one that went."""
    changed = [(was, now_is) for was, now_is in pairs if _named(was) and _named(now_is) and was != now_is]
    if not records.many(len(changed), limit):
        return 0.0, ""
    old, new = (Counter(_written(pair[side]) for pair in changed) for side in (0, 1))
    if len(old) < LEAST_VALUES or (old - new).total() > 1:
        return 0.0, ""
    share = len(changed) / records.stayed
    return share, f"`{name}` of {len(changed)} of {records.stayed} records that stayed became that of another one"


def _type(value: Value) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "a truth value"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a text"
    return "a list" if isinstance(value, list) else "fields"


def _named(value: Value) -> bool:
    """Whether it is a name, or several, and no number or date."""
    if isinstance(value, str):
        return bool(value) and _COUNTED.match(value) is None
    return isinstance(value, list) and len(value) > 0 and all(_named(one) for one in value)


def _written(value: Value) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _kept(was: dict[str, Value], of_other: dict[str, Value], now_is: dict[str, Value]) -> bool:
    """Whether more of what tells two records apart stayed than moved with the text."""
    apart = [name for name in was.keys() | of_other.keys() if was.get(name) != of_other.get(name)]
    stayed = sum(now_is.get(name) == was.get(name) for name in apart)
    return stayed > sum(now_is.get(name) == of_other.get(name) for name in apart)


def _hashed(texts: Texts, rows: Ints) -> list[int]:
    """A number of each text, the same for the same text in this process."""
    found = list[int]()
    for first in range(0, len(rows), _BLOCK_ROWS):
        found += map(hash, texts.read(rows[first : first + _BLOCK_ROWS]))
    return found
