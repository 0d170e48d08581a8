"""Sources that go by another name: which names hold now what one served, told by the texts and paths that went there.

A name that left and one that came are a source that was renamed where the one holds what the other did; so are the
pieces of one that was split, what several were joined to, and names that were exchanged. What such a source lost is
counted over all that it became: a new name must hide no loss.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from xtr_assets.core.types import Ints, Mask
from xtr_assets.pipeline.gate.source_stock import Holding, Texts

# Of what left a source so much is found under another name where it became that: what sources of one house share (a
# license, a code of conduct, an empty module) is two files of eight at most.
BECAME = 0.3
# Or so much of what came is what left, and so many files or records of it: of a rename nine tenths may be lost.
MADE_OF, LEAST_FILES, LEAST_RECORDS = 0.5, 5, 10


@dataclass(frozen=True, slots=True)
class Moved:
    """What served as one source, and what there is of it now.

    name : as it serves. names : of the sources that hold it now, its own among them where it still has some. before,
    now : rows are counted by record (part 0), and texts without titles, which another kind of source gives otherwise.
    """

    name: str
    names: tuple[str, ...]
    before: Holding
    now: Holding


def moved_sources(
    before: Mapping[str, Holding], now: Mapping[str, Holding], suspects: Collection[str], kinds: Mapping[str, str]
) -> list[Moved]:
    """Sources of `before` of which some is found under other names of `now`, and was not there.

    suspects : the names of `before` that are gone, or lost too much. kinds : what sources of `now` hold, by name:
    "records" are told by record, all others by file. Without any two that belong together: nothing.
    """
    receivers = [name for name in kinds if name in now and now[name].rows]
    came = {name: _without(now[name].texts, before.get(name)) for name in receivers}
    groups: dict[str, set[str]] = {}
    for name in suspects:
        left = _without(before[name].texts, now.get(name))
        others = [other for other in receivers if other != name]
        # What is found in one is not asked of the next: of two pieces the smaller one may have lost the most.
        for other in sorted(others, key=lambda one: -int(np.isin(left.hashes, came[one].hashes).sum())):
            if _became(left, came[other], kinds[other]):
                left = _without(left, now[other])
                joined = groups.get(name, {name}) | groups.get(other, {other})
                groups |= dict.fromkeys(joined, joined)
    found: list[Moved] = []
    for group in {id(one): one for one in groups.values()}.values():
        old = [name for name in before if name in group and before[name].rows]
        new = [name for name in receivers if name in group]
        found += _divided({name: before[name] for name in old}, {name: now[name] for name in new}, now)
    return found


def _became(left: Texts, came: Texts, kind: str) -> bool:
    """Whether what left one source is found in what came to another."""
    if not len(left.file) or not len(came.file):
        return False
    in_new, in_old = np.isin(left.hashes, came.hashes), np.isin(came.hashes, left.hashes)
    if kind == "records":
        shared = int(in_new.sum()), int(in_old.sum())
        return _enough(shared, (len(in_new), len(in_old)), LEAST_RECORDS)
    by_text = len(_files(left, in_new)), len(_files(came, in_old))
    every = len(_files(left)), len(_files(came))
    paths = len(_files(left) & _files(came))
    # A name that both have says little: many, and most of one side's.
    by_path = paths >= LEAST_FILES and paths >= MADE_OF * min(every)
    return by_path or _enough(by_text, every, LEAST_FILES)


def _enough(shared: tuple[int, int], every: tuple[int, int], least: int) -> bool:
    most_of_old = shared[0] >= BECAME * every[0]
    return most_of_old or (shared[1] >= MADE_OF * every[1] and shared[1] >= least)


def _without(texts: Texts, other: Holding | None) -> Texts:
    """Rows whose text does not stand in another holding, under no path of its own there."""
    if other is None or not len(other.texts.file):
        return texts
    known = set(other.texts.paths)
    paths = np.array([path in known for path in texts.paths], np.bool_)
    return texts.at(np.flatnonzero(~np.isin(texts.hashes, other.texts.hashes) & ~paths[texts.file]))


def _files(texts: Texts, rows: Mask | None = None) -> set[str]:
    """Paths that have a row; with `rows`, those of which half of the rows are among these."""
    held = np.bincount(texts.file, minlength=len(texts.paths))
    chosen = held > 0
    if rows is not None:
        chosen &= 2 * np.bincount(texts.file[rows], minlength=len(texts.paths)) >= held
    return {texts.paths[at] for at in np.flatnonzero(chosen).tolist()}


def _divided(old: Mapping[str, Holding], new: Mapping[str, Holding], now: Mapping[str, Holding]) -> Iterator[Moved]:
    """Each file of the new names to the old one whose texts it holds, else whose path it has, else to the one that gave
    its source the most: what came besides makes up for what went, as it does under one name."""
    owners = {name: _owners(name, one.texts, old) for name, one in new.items()}
    for number, (name, held) in enumerate(old.items()):
        mine = {other: _of_files(new[other].texts, owner == number) for other, owner in owners.items()}
        mains = [now[other] for other, owner in owners.items() if _main(owner) == number]
        names = tuple(other for other, texts in mine.items() if len(texts.file))
        yield Moved(
            name,
            names or tuple(new),
            _counted([(name, held.texts)], [held], held.texts.paths),
            _counted(list(mine.items()), mains, held.texts.paths),
        )


def _owners(name: str, texts: Texts, old: Mapping[str, Holding]) -> Ints:
    """int64 [files]: the place in `old` of the source that each file of a new name is taken for a piece of."""
    # Of its own name first, where one served.
    order = sorted(range(len(old)), key=lambda at: list(old)[at] != name)
    holdings = list(old.values())
    votes = np.zeros((len(old), len(texts.paths)), np.int64)
    for at, one in enumerate(holdings):
        known = np.isin(texts.hashes, one.texts.hashes)
        votes[at] = np.bincount(texts.file[known], minlength=len(texts.paths))
    best: Ints = np.array(order, np.int64)[votes[order].argmax(axis=0)]
    most = order[int(votes[order].sum(axis=1).argmax())]
    paths = [(at, set(holdings[at].texts.paths)) for at in order]
    for file in np.flatnonzero(votes.max(axis=0) == 0).tolist():
        best[file] = next((at for at, known in paths if texts.paths[file] in known), most)
    return best


def _main(owner: Ints) -> int:
    return int(np.bincount(owner).argmax()) if len(owner) else -1


def _of_files(texts: Texts, files: Mask) -> Texts:
    return texts.at(np.flatnonzero(files[texts.file]))


def _counted(pieces: Sequence[tuple[str, Texts]], whole: Sequence[Holding], known: Sequence[str]) -> Holding:
    """Pieces as one holding, by the paths that served where they are the same; whole : those of which all that cannot
    be used counts here."""
    places: dict[str, int] = {}
    files, parts = [np.empty(0, np.int64)], [texts for _, texts in pieces]
    served = set(known)
    for name, texts in pieces:
        used = np.unique(texts.file)
        number = np.zeros(len(texts.paths), np.int64)
        for at in used.tolist():
            path = texts.paths[at]
            # A path that two pieces have are two files.
            path = path if path in served and path not in places else f"{name}: {path}"
            number[at] = places.setdefault(path, len(places))
        files.append(number[texts.file])
    joined = Texts(
        tuple(places),
        np.concatenate(files),
        np.concatenate([np.empty(0, np.int64), *(one.ids for one in parts)]),
        np.concatenate([np.empty(0, np.int64), *(one.bare for one in parts)]),
    )
    records = np.concatenate([np.empty(0, np.int64), *(one.parts for one in parts)]) == 0
    by_file = np.bincount(joined.file[records], minlength=len(places)).tolist()
    refused = set[str]().union(*(one.refused for one in whole))
    unusable = sum(one.unusable for one in whole)
    return Holding(dict(zip(places, by_file, strict=True)), unusable, refused=refused, texts=joined)
