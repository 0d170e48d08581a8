"""What a source lost, as (share, words), by its rows, its suffixes, and what its texts say."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xtr_assets.core.lost_letters import is_asked, is_escaped, is_garbled, is_run_together, is_wrapped
from xtr_assets.core.repetition import distinct_share, passages_of
from xtr_assets.core.types import Ints, Mask
from xtr_assets.pipeline.gate.source_stock import Hashes, Texts

# A person deletes a file or four by hand, and a record or nine; nobody should be asked about that, however small the
# source is. What fails (a mount, an export, a decoder) takes more, or everything, which is always asked about.
LEAST_FILES = 5
LEAST_RECORDS = 10
# Half of so many files at once is what a mount takes, not a person.
HALVED_FILES = 4
# A source with so small a share of an index' rows may go whole where `by_hand` allows it.
STRAY = 0.01
# Bytes of text that are compared of what went and of what came: 0.05 CPU s each.
MOST_COMPARED = 1_000_000
# As many of the files of one suffix are refused where their reader broke, not where a person edits.
REFUSED_OF_SUFFIX = 0.5
Forms = Sequence[tuple[Callable[[str], bool], str]]
# How a text can be spoilt, and how that is said.
_GARBLED = (
    (is_garbled, "have remains of another encoding for letters"),
    (is_asked, "have question marks for letters"),
    (is_escaped, "are escaped, as for HTML or JSON"),
    (is_run_together, "have no blanks between their words"),
)
_WRAPPED = (is_wrapped, "are in HTML or JSON still")
# Of records a header of each may be as long as what they say (a licence, a signature), and not longer.
MOST_REPEATED = 0.5
_NO_ROWS = np.empty(0, np.int64)


def suffix_lost(before: Mapping[str, int], refused: Set[str]) -> tuple[float, str]:
    """Of the files of one suffix that serve, the share that is in quarantine now, and the words; of the suffix that
    lost the largest. However few of all files they are: a library that broke takes every PDF and nothing else."""
    lost = Counter(PurePosixPath(path).suffix.lower() for path in refused if path in before)
    many = {suffix: count for suffix, count in lost.items() if count >= LEAST_FILES}
    # 3 CPU s for a million files, where many of one suffix are refused.
    served = Counter(PurePosixPath(path).suffix.lower() for path in before) if many else Counter[str]()
    shares = [
        (
            count / served[suffix],
            f"{count} of the {served[suffix]} {suffix or 'suffixless'} files that serve are in quarantine",
        )
        for suffix, count in many.items()
        if count >= REFUSED_OF_SUFFIX * served[suffix]
    ]
    return max(shares, key=share_of, default=(0.0, ""))


def by_hand(lost: int, files: int) -> bool:
    """Whether a person may have deleted so many of so many files: a few, and not half of a folder of four or more.

    >>> [by_hand(lost, files) for lost, files in ((1, 2), (2, 3), (2, 4), (4, 40), (4, 8), (5, 100))]
    [True, True, False, True, False, False]
    """
    return lost < LEAST_FILES and not (files >= HALVED_FILES and 2 * lost >= files)


def rows_lost(kind: str, before: Mapping[str, int], now: Mapping[str, int]) -> tuple[float, str]:
    """The share of rows that went, and the words; files that a person may have deleted by hand are left out."""
    base, deleted = without_deleted(before, now)
    lost = base - sum(now.values())
    if lost < LEAST_RECORDS:
        return 0.0, ""
    # One document may be rewritten to half its length; an export is one file, and its records count.
    shrunk = sum(now.get(path, 0) < rows for path, rows in before.items()) - deleted
    if kind != "records" and shrunk < LEAST_FILES:
        return 0.0, ""
    return lost / base, f"{base - lost} of {base} rows are left, {percent(lost / base)} are missing"


def rows_repeated(kind: str, before: Texts, now: Texts, limit: float) -> tuple[float, str]:
    """By how much the share of records grew that say what another one says, and the words: a join that fans out gives
    each of them many times, with ids of their own. Pages may lie in several versions of a folder; of them nothing is
    asked. Only of a source that grew by the limit can so many have come. Whole records are compared: what is cut off
    many of them (a signature, a clause) may be the same."""
    if kind != "records":
        return 0.0, ""
    said, served = _records(now), _records(before)
    if not len(served) or len(said) - len(served) < max(LEAST_RECORDS, limit * len(served)):
        return 0.0, ""
    again, before_again = (len(one) - len(pc.unique(pa.array(one))) for one in (said, served))
    words = f"{again} of {len(said)} records say what another one says, {before_again} of {len(served)} that serve do"
    return again / len(said) - before_again / len(served), words


def _records(texts: Texts) -> Hashes:
    """uint64 [n]: what each record says, its rows added up. They lie behind each other, from part 0 on."""
    first = np.flatnonzero(texts.parts == 0) if len(texts.hashes) else _NO_ROWS
    return np.add.reduceat(texts.hashes, first) if len(first) else texts.hashes[:0]


def text_lost(kind: str, before: Texts, now: Texts, limit: float) -> tuple[float, str]:
    """The same of the text of all rows."""
    held_before, held_now = before.by_path(), now.by_path()
    base, deleted = without_deleted(held_before, held_now)
    lost = base - now.total
    # As many records as a person may delete are never asked about, however long they were.
    by_hand_at_most = int(np.sort(before.sizes)[1 - LEAST_RECORDS :].sum()) if kind == "records" else 0
    if lost <= by_hand_at_most:
        return 0.0, ""
    if kind != "records" and _shrunk(held_before, held_now, limit) - deleted < LEAST_FILES:
        return 0.0, ""
    return lost / base, f"{base - lost} of {base} bytes of text are left, {percent(lost / base)} are missing"


def text_lost_by_rows(kind: str, before: Texts, now: Texts, limit: float) -> tuple[float, str]:
    """The share of their text that rows lost which are still there: what came besides does not make up for it."""
    at, to = both_places(before.ids, now.ids)
    kept, sizes = before.at(at), now.sizes[to]
    base = kept.total
    lost = base - int(sizes.sum())
    if kind == "records":
        few = int((sizes < (1 - limit) * kept.sizes).sum()) < LEAST_RECORDS
    else:
        few = _shrunk(kept.by_path(), kept.by_path(sizes), limit) < LEAST_FILES
    if lost <= 0 or few:
        return 0.0, ""
    words = f"the {len(at)} rows that stayed hold {base - lost} of their {base} bytes of text"
    return lost / base, f"{words}, {percent(lost / base)} are missing"


def text_replaced(kind: str, before: Texts, now: Texts, limit: float) -> tuple[float, str]:
    """The same of text that came for what went, and says less: asked where as much as the limit went at all."""
    went = np.flatnonzero(~_said(before.hashes, now.hashes))
    came = np.flatnonzero(~_said(now.hashes, before.hashes))
    lost, gained = int(before.sizes[went].sum()), int(now.sizes[came].sum())
    few = len(went) < LEAST_RECORDS if kind == "records" else len(np.unique(before.file[went])) < LEAST_FILES
    if lost <= limit * before.total or few or not gained or not before.stored or not now.stored:
        return 0.0, ""
    # What rows say to the letter alike is said once, however large both sides are. Titles stay as they are, and no
    # passage of them is compared.
    old_rows, new_rows = _different(before.hashes, went), _different(now.hashes, came)
    most = min(int(before.bare[old_rows].sum()), int(now.bare[new_rows].sum()), MOST_COMPARED)
    old_at, new_at = _spread(before, old_rows, most), _spread(now, new_rows, most)
    old, new = before.read(old_at), now.read(new_at)
    held, holds = passages_of(before.bare[went]), passages_of(now.bare[came])
    differed = distinct_share(old) * passages_of(before.bare[old_rows]) / held
    differs = distinct_share(new) * passages_of(now.bare[new_rows]) / holds
    shares = lost / before.total, gained / before.total
    forms = (*_GARBLED, _WRAPPED) if kind == "records" else _GARBLED
    repeated = _repeated(kind, *shares, holds / held, differed, differs)
    instead = np.isin(now.ids[new_at], before.ids).tolist()
    return max(repeated, _garbled(forms, *shares, old, list(zip(new, instead, strict=True))), key=share_of)


def _repeated(
    kind: str, lost: float, gained: float, passages: float, differed: float, differs: float
) -> tuple[float, str]:
    """What is said once: an export or a crawl may give the same page (please sign in; an error) for every document, a
    number in it or not. lost, gained : shares of the text that serves, of what went and came. passages : how many came
    for one that went. differed, differs : the shares of their passages that are not alike. What is short has few
    passages: a sentence more in all of them is no loss. Nor is text that came shorter, as long as it differs: that is
    asked of texts alone. What is longer than the text of records and the same in all of them (the navigation of a page,
    a banner) hides what they say."""
    said_less = min(lost, gained) * (1 - differs / differed)
    if kind == "records" and said_less > MOST_REPEATED:
        return (
            said_less,
            f"of the texts that came {percent(1 - differs)} is what others say too, {percent(1 - differed)} before",
        )
    share = min(lost * (1 - passages * differs / differed), said_less)
    words = f"texts that went differed to {percent(differed)}, those that came differ to {percent(differs)}"
    return share, f"{words}: as much as {percent(share)} of what it says is missing"


def _garbled(
    forms: Sequence[tuple[Callable[[str], bool], str]],
    lost: float,
    gained: float,
    old: Sequence[str],
    new: Sequence[tuple[str, bool]],
) -> tuple[float, str]:
    """What can be read: a wrong table makes remains of every letter beyond ASCII; an export may escape it all. Texts
    that come besides and are so by nature (checksums, records in JSON) take nothing away: what is missing is missing
    from rows that stayed, or from all that can be read.

    new : texts that came, and whether each is a row's that served before
    """
    shares = []
    letters, letters_before = max(1, sum(len(one) for one, _ in new)), max(1, sum(map(len, old)))
    for found, words in forms:
        spoilt = [(one, instead) for one, instead in new if found(one)]
        garbled = sum(len(one) for one, _ in spoilt) / letters
        before = lost * sum(len(one) for one in old if found(one)) / letters_before
        of_rows = gained * sum(len(one) for one, instead in spoilt if instead) / letters - before
        of_all = (lost - before) - gained * (1 - garbled)
        share = min(gained * garbled - before, max(of_rows, of_all))
        shares.append((share, f"{percent(garbled)} of the texts that came {words}"))
    return max(shares, key=share_of)


def _said(hashes: Hashes, by: Hashes) -> Mask:
    return np.asarray(pc.is_in(pa.array(hashes), value_set=pa.array(by)))


def _different(hashes: Hashes, rows: Ints) -> Ints:
    """The first of each of the rows that say the same."""
    return rows[np.sort(np.unique(hashes[rows], return_index=True)[1])]


def _spread(texts: Texts, rows: Ints, most: int) -> Ints:
    """Of some rows those at equal distances, with texts of about `most` bytes."""
    share = min(1.0, most / max(1, int(texts.bare[rows].sum())))
    count = max(1, round(share * len(rows)))
    return rows[np.unique(np.linspace(0, len(rows) - 1, count).round().astype(np.int64))]


def both_places(before: Ints, now: Ints) -> tuple[Ints, Ints]:
    """Places int64 [n] of the ids that stand in both, in the first and in the second. Hashed by Arrow: numpy sorts each
    of them and both together, 0.1 CPU s for 300,000."""
    place = pc.index_in(pa.array(now), value_set=pa.array(before))
    there = np.asarray(place.is_valid())
    return place.filter(pa.array(there)).to_numpy().astype(np.int64), np.flatnonzero(there)


def share_of(lost: tuple[float, str]) -> float:
    return lost[0]


def without_deleted(before: Mapping[str, int], now: Mapping[str, int]) -> tuple[int, int]:
    """What the files of `before` hold but for those that a person may have deleted by hand, the largest of those that
    went; and how many these are."""
    deleted = max(len(before) - len(now), 0)
    if not by_hand(deleted, len(before)):
        return sum(before.values()), 0
    gone = sorted((held for path, held in before.items() if path not in now), reverse=True)[:deleted]
    return sum(before.values()) - sum(gone), len(gone)


def _shrunk(before: Mapping[str, int], now: Mapping[str, int], limit: float) -> int:
    """Files that hold less by more than the share: every second edit makes a text a little shorter."""
    return sum(now.get(path, 0) < (1 - limit) * held for path, held in before.items())


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"
