"""What records that stayed lost besides their text, as (share, words): values of their fields, and their own text."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np

from xtr_assets.core.lost_letters import is_spoilt
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
_NUMBER = re.compile(r"[0-9]+(?:[.,:_-][0-9]+)*")
# What programs and people write where there is no value. Whoever empties it takes nothing away.
_NO_VALUE = frozenset({"-", "?", "n/a", "na", "nan", "nil", "none", "null", "undefined", "unknown"})
# Of what moved on by a place the order is kept, but for where something was put in or taken out.
_IN_ORDER = 0.9

Value = object


@dataclass(frozen=True, slots=True)
class Rewritten:
    """Records of both sides that were written anew. at, to : int64 [n], their first rows before and now. held, holds :
    their fields as JSON. stayed : how many records both sides have in all."""

    at: Ints
    to: Ints
    held: Sequence[str]
    holds: Sequence[str]
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
    rows = first_before[at][anew[to]], first_now[to][anew[to]]
    fields = before.read(rows[0], "metadata"), now.read(rows[1], "metadata")
    records = Rewritten(*rows, *fields, len(at))
    if not records.many(len(records.at), limit):
        return 0.0, ""
    moved = _moved(before, now, records)
    lost = values_lost(before, now, records, moved, limit), texts_exchanged(records, moved, limit)
    return max(lost, key=share_of)


def values_lost(
    before: Texts, now: Texts, records: Rewritten, moved: Mapping[int, int], limit: float
) -> tuple[float, str]:
    """The share of records whose value of a field went, became of another type, the same for all, or another one's."""
    shares = [(0.0, "")]
    for name, changed in sorted(_changed(records, moved).items()):
        pairs = [(was, now_is) for _, was, now_is in changed]
        same = _same(name, pairs, records)
        # What others hold is read where most became the same.
        if share_of(same) and _only(now, name, records.to[[place for place, _, _ in changed]]):
            shares.append(same)
        alone = [place not in moved for place, _, _ in changed]
        shares += [_dealt(name, list(compress(pairs, alone)), records, limit), _spoilt(name, pairs, records, limit)]
        for kind, lost in _retyped(pairs).items():
            had = sum(_type(one) == kind for one in _values(before, name)) if records.many(lost, limit) else 0
            if lost > limit * had and had >= MOST * records.stayed:
                shares.append((lost / had, f"{lost} of {had} records had {kind} in `{name}` and have none now"))
    return max(shares, key=share_of)


def _changed(records: Rewritten, moved: Mapping[int, int]) -> dict[str, list[tuple[int, Value, Value]]]:
    """By field the records that have another value now, as (place, before, now). What moved with its text has what is
    where it came from. No more is kept of a million records."""
    found: dict[str, list[tuple[int, Value, Value]]] = {}
    for place, now_is in enumerate(records.holds):
        if (was := records.held[moved.get(place, place)]) == now_is:
            continue
        had, has = json.loads(was), json.loads(now_is)
        for name, value in had.items():
            other = has.get(name)
            if value != other or _type(value) != _type(other):
                found.setdefault(name, []).append((place, value, other))
    return found


def texts_exchanged(records: Rewritten, moved: Mapping[int, int], limit: float) -> tuple[float, str]:
    """The share of records that say what another one said, and kept their own title or fields: two columns that were
    sorted apart. Where an id is the number of a row all of them move together, and nothing is asked."""
    if not records.many(len(moved), limit):
        return 0.0, ""
    # A page that is put in moves all texts behind it by one, and no number of a page.
    written = _unnumbered if _in_order([moved[place] for place in sorted(moved)]) else _written
    # What many may say (a state, an answer from a list) is counted once.
    told = ((other, (records.held[place], records.held[other], records.holds[place])) for place, other in moved.items())
    count = len({other for other, fields in told if _kept(*fields, written=written)})
    if not records.many(count, limit):
        return 0.0, ""
    share = count / records.stayed
    return share, f"{count} of {records.stayed} records say what another one said, under a title or fields of their own"


def _moved(before: Texts, now: Texts, records: Rewritten) -> dict[int, int]:
    """The records that say now what another one said before, by their places, and the place of that one: of several
    that said it the one that had the same fields."""
    said, says = before.hashes[records.at], now.hashes[records.to]
    other = np.flatnonzero(said != says)
    changed = [
        place
        for place, (was, now_is) in enumerate(zip(records.held, records.holds, strict=True))
        if was != now_is or said[place] != says[place]
    ]
    whole = {(int(said[place]), records.held[place]): place for place in changed}
    moved = {place: whole[key] for place in changed if (key := (int(says[place]), records.holds[place])) in whole}
    alone, alone_now = _hashed(before, records.at[other]), _hashed(now, records.to[other])
    whose = dict(zip(alone, other.tolist(), strict=True))
    for place, text, own in zip(other.tolist(), alone_now, alone, strict=True):
        if text != own and text in whose:
            moved.setdefault(place, whose[text])
    return moved


def _retyped(pairs: Sequence[tuple[Value, Value]]) -> dict[str, int]:
    """How many values of each type went, or became of another one."""
    return Counter(
        _type(was) for was, now_is in pairs if _type(was) not in (_type(now_is), _NOTHING) and not _found(was, now_is)
    )


def _found(was: Value, now_is: Value) -> bool:
    """Whether no value went: a filter finds an element of a list as it finds a lone value."""
    if isinstance(was, str) and was.strip().casefold() in _NO_VALUE:
        return True
    had, has = (list(map(_written, one if isinstance(one, list) else [one])) for one in (was, now_is))
    return set(had) <= set(has)


def _values(texts: Texts, name: str, rows: Ints | None = None) -> Iterator[Value]:
    """A field of all records, or of those of some rows. Asked where many changed: 3 CPU s for a million."""
    rows = np.flatnonzero(texts.parts == 0) if rows is None else rows
    blocks = (rows[first : first + _BLOCK_ROWS] for first in range(0, len(rows), _BLOCK_ROWS))
    return (json.loads(one).get(name) for block in blocks for one in texts.read(block, "metadata"))


def _only(texts: Texts, name: str, rows: Ints) -> bool:
    """Whether records have one value alone of a field, in the files in which some rows lie: what most became and some
    are not is no constant."""
    own = np.flatnonzero((texts.parts == 0) & np.isin(texts.file, texts.file[rows]))
    return len({_written(one) for one in _values(texts, name, own) if _named(one)}) == 1


def _same(name: str, pairs: Sequence[tuple[Value, Value]], records: Rewritten) -> tuple[float, str]:
    """Values of most records that became the same."""
    values = {_written(now_is) for _, now_is in pairs if _named(now_is)}
    if len(values) != 1:
        return 0.0, ""
    changed = Counter(
        _written(was)
        for was, now_is in pairs
        # A version that all of them have now is another number, as a date is.
        if _named(was) and _named(now_is) and _unnumbered(was) != _unnumbered(now_is)
    )
    count, commonest = changed.total(), max(changed.values(), default=0)
    # A version, or a season, was the same for all before.
    if not records.many(count, MOST) or commonest > MOST * records.stayed:
        return 0.0, ""
    share = count / records.stayed
    return share, f"`{name}` of {count} of {records.stayed} records that stayed became the same, {values.pop():.80}"


def _dealt(name: str, pairs: Sequence[tuple[Value, Value]], records: Rewritten, limit: float) -> tuple[float, str]:
    """Values that became those of other records: as many of each as before, but for one that came and one that went."""
    changed = [(was, now_is) for was, now_is in pairs if _named(was) and _named(now_is) and was != now_is]
    if not records.many(len(changed), limit):
        return 0.0, ""
    old, new = ([_written(pair[side]) for pair in changed] for side in (0, 1))
    values = Counter(old)
    if len(values) < LEAST_VALUES or (values - Counter(new)).total() > 1 or _handed_on(old, new):
        return 0.0, ""
    share = len(changed) / records.stayed
    return share, f"`{name}` of {len(changed)} of {records.stayed} records that stayed became that of another one"


def _spoilt(name: str, pairs: Sequence[tuple[Value, Value]], records: Rewritten, limit: float) -> tuple[float, str]:
    """Values whose letters were lost: a filter finds none of them as it is written."""
    found = [now_is for was, now_is in pairs if _is_spoilt(was, now_is)]
    if not records.many(len(found), limit):
        return 0.0, ""
    share, shown = len(found) / records.stayed, _written(found[0])
    return (
        share,
        f"`{name}` of {len(found)} of {records.stayed} records that stayed lost its letters, as in {shown:.80}",
    )


def _is_spoilt(was: Value, now_is: Value) -> bool:
    if isinstance(was, list) and isinstance(now_is, list) and len(was) == len(now_is):
        return any(map(_is_spoilt, was, now_is)) and all(
            one == other or _is_spoilt(one, other) for one, other in zip(was, now_is, strict=True)
        )
    return isinstance(was, str) and isinstance(now_is, str) and is_spoilt(was, now_is)


def _handed_on(old: Sequence[str], new: Sequence[str]) -> bool:
    """Whether people changed values, and not the records that have them: all records of one have the same one now, as
    where a duty goes to the next one; or each is the next number, as where a chapter is put in.

    >>> _handed_on(["a", "b", "a", "b"], ["b", "a", "b", "a"]), _handed_on(["a", "b", "c"], ["b", "c", "a"])
    (True, False)
    >>> _handed_on(["Part 1", "Part 2", "Part 3"], ["Part 2", "Part 3", "Part 4"])
    True
    """
    known = set(old)
    if len(set(zip(old, new, strict=True))) == len(known) and 2 * len(known) <= len(old):
        return True
    if any(_NUMBER.sub("0", was) != _NUMBER.sub("0", now_is) for was, now_is in zip(old, new, strict=True)):
        return False
    whose = {value: place for place, value in enumerate(old)}
    return _in_order([whose[value] for value in new if value in whose])


def _in_order(places: Sequence[int]) -> bool:
    """Whether what moved stands in the order that it stood in."""
    return float(np.mean(np.diff(places) > 0)) >= _IN_ORDER if len(places) > 1 else True


_NOTHING = "nothing"


def _type(value: Value) -> str:
    # What is empty no filter asks for.
    if value is None or value in ("", [], {}):
        return _NOTHING
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


def _unnumbered(value: Value) -> str:
    """The same for all that differ by numbers alone.

    >>> _unnumbered("v1.9"), _unnumbered("v2.0.1"), _unnumbered(12)
    ('"v0"', '"v0"', '0')
    """
    return _NUMBER.sub("0", _written(value))


def _kept(*told: str, written: Callable[[Value], str]) -> bool:
    """Whether more of what tells two records apart stayed than moved with the text. told : the fields of a record
    before, of the other one before, and of the record now, as JSON."""
    fields: list[dict[str, Value]] = list(map(json.loads, told))
    was, of_other, now_is = fields
    apart = [name for name in was.keys() | of_other.keys() if written(was.get(name)) != written(of_other.get(name))]
    stayed, moved = (sum(now_is.get(name) == one.get(name) for name in apart) for one in (was, of_other))
    return stayed > moved


def _hashed(texts: Texts, rows: Ints) -> list[int]:
    """A number of each text, the same for the same text in this process."""
    found = list[int]()
    for first in range(0, len(rows), _BLOCK_ROWS):
        found += map(hash, texts.read(rows[first : first + _BLOCK_ROWS]))
    return found
