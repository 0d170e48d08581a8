"""The gate of a set: whether generations of several warehouses may serve together. It opens no index.

Each part passed its own gate. What is asked here is what none of them can see: that they are one index.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xtr_assets.core.errors import PublishRefused, StorageError
from xtr_assets.core.json_document import read_json
from xtr_assets.core.types import Ints
from xtr_assets.storage.draft import LEXICAL_INDEX
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.manifest import CheckRecord
from xtr_assets.storage.parts.part_records import PartMove, ShardPlace
from xtr_assets.storage.refusal import remedy, sentence
from xtr_assets.storage.remembrance import withdrawal_of
from xtr_assets.storage.requirement import demands, unmet
from xtr_assets.storage.scrub import verify_once
from xtr_assets.storage.seal import refuse_altered

# Problems of one kind that are told; the others are counted.
TOLD = 3


@dataclass(frozen=True, slots=True)
class SetProblem:
    """Why a part, or all of them together (None), keep the set from serving. forcible : whether a person may say that
    it serves nevertheless."""

    part: str | None
    cause: str
    forcible: bool = False

    def __str__(self) -> str:
        return self.cause if self.part is None else f"part {self.part}: {self.cause}"


def refuse_set(found: Sequence[SetProblem], force_reason: str | None) -> str | None:
    """The reason that was needed, None where nothing had to be forced. PublishRefused with a line for each problem."""
    hard = [one for one in found if not one.forcible]
    if hard or (found and force_reason is None):
        shown = hard or found
        head = f"the set is not published: {len(shown)} problems" if len(shown) > 1 else "the set is not published"
        raise PublishRefused("\n".join([head, *(f"  {one}" for one in shown)]))
    return force_reason if found else None


def set_problems(
    parts: Mapping[str, Generation],
    places: Mapping[str, ShardPlace],
    before: PartMove | None,
    *,
    earlier: bool = False,
) -> list[SetProblem]:
    """Everything that keeps these generations, by part, from serving together.

    places : the part of each shard, as it was placed or served before; before : the move that serves, None for none
    earlier : they are those of an earlier move, and need not be what their parts serve now
    """
    found = [problem for name, one in parts.items() for problem in _own(name, one, earlier)]
    found += _unlike(parts)
    found += _shards(parts, places)
    for name in sorted(set(before.parts) - set(parts)) if before is not None else ():
        found.append(SetProblem(name, f"{before} names it, and it was taken out of the set since", forcible=True))
    # What cannot be read has been told; reading every chunk id of it again would only raise.
    return found if any(not one.forcible for one in found) else [*found, *_doubled_chunks(parts)]


def failed_checks(checks: Mapping[str, CheckRecord], helps: str | None = None) -> list[SetProblem]:
    """What was found wrong with all parts together, and what helps, where not what the record says."""
    found = {name: [sentence(one), helps or remedy(one)] for name, one in checks.items() if not one.passed}
    return [
        SetProblem(None, f"check {name!r} did not pass: {'; '.join(filter(None, words))}", forcible=True)
        for name, words in found.items()
    ]


def unasked(before: PartMove | None) -> list[SetProblem]:
    """What the set that serves was asked, where whoever publishes has no configuration that says how."""
    asked = ", ".join(map(repr, before.checks)) if before is not None else ""
    cause = (
        f"{before} was asked {asked}, and nothing says how to ask this one; publish it by the configuration of the "
        "set (`xtr-assets build`, or `xtr-assets parts publish --config`)"
    )
    return [SetProblem(None, cause, forcible=True)] if asked else []


def _own(name: str, generation: Generation, earlier: bool) -> Iterator[SetProblem]:
    """Bytes and verdicts of one part."""
    try:
        refuse_altered(generation.layout, generation.number)
        wrong = verify_once(generation.layout, generation.manifest.files)
    except StorageError as error:
        yield SetProblem(name, str(error))
        return
    if wrong:
        more = f" ({len(wrong)} files in all)" if len(wrong) > 1 else ""
        yield SetProblem(name, f"generation {generation.number}: {wrong[0]}{more}")
    state = generation.state
    # What a part serves was held against that as it was published.
    if state == "withdrawn" or (earlier and withdrawal_of(generation.layout, generation.number) is not None):
        yield SetProblem(name, f"generation {generation.number} was withdrawn")
    elif state != "published" and not earlier:
        yield SetProblem(name, f"generation {generation.number} is {state}, and no longer what the part serves")
    if (forced := generation.forced) is not None:
        yield SetProblem(name, f"generation {generation.number} was forced past its own gate: {forced}", forcible=True)
        return
    lacking = unmet(generation.manifest, demands(generation.manifest, None))
    for one in lacking[:TOLD]:
        check = f"check {one.name!r} " if one.name else ""
        yield SetProblem(name, f"generation {generation.number}: {check}{one.problem}", forcible=True)


def _unlike(parts: Mapping[str, Generation]) -> Iterator[SetProblem]:
    """Whatever makes scores of two parts incomparable, each held against the first part."""
    first, *others = parts
    for what, said in (
        ("encoder", _encoder),
        ("legs", _legs),
        ("words of the lexical index", _terms),
        ("weights of the legs", _blend),
    ):
        wanted = said(parts[first])
        for name in others:
            if (own := said(parts[name])) != wanted:
                yield SetProblem(
                    name, f"its {what} is {own}, that of part {first} {wanted}; build both with one configuration"
                )


def _encoder(generation: Generation) -> str:
    return f"{generation.manifest.encoder.name} {generation.fingerprint[:16]}"


def _legs(generation: Generation) -> str:
    return " and ".join(sorted(generation.legs))


def _terms(generation: Generation) -> str:
    """The version of the words, of the file that the generation itself reads."""
    name = f"{LEXICAL_INDEX}/index.json"
    if not generation.has_file(name):
        return "none"
    loaded = read_json(generation.path(name).read_bytes())
    return f"version {loaded.get('terms') if isinstance(loaded, dict) else loaded}"


def _blend(generation: Generation) -> Any:
    return generation.manifest.profile.get("hybrid")


def _shards(parts: Mapping[str, Generation], places: Mapping[str, ShardPlace]) -> Iterator[SetProblem]:
    held: dict[str, str] = {}
    for name, generation in parts.items():
        for shard in sorted(generation.manifest.snapshots):
            if shard in held:
                yield SetProblem(name, f"shard {shard!r} is in part {held[shard]} too; a shard lies in one part")
                continue
            held[shard] = name
            place = places.get(shard)
            if place is not None and place.part != name:
                yield SetProblem(
                    name,
                    f"shard {shard!r} was placed in part {place.part}, where it stays; leave it out here, or say why "
                    "it moved",
                    forcible=True,
                )
    for shard in sorted(set(places) - set(held)):
        yield SetProblem(
            places[shard].part,
            f"shard {shard!r} was placed here and its generation does not have it; build the part with it, or say why "
            "it is gone",
            forcible=True,
        )


def _doubled_chunks(parts: Mapping[str, Generation]) -> Iterator[SetProblem]:
    """A chunk in two parts would be two hits, where one index has one."""
    names = list(parts)
    owned = [_live_ids(generation) for generation in parts.values()]
    ids = np.concatenate(owned)
    owner = np.repeat(np.arange(len(owned)), [len(one) for one in owned])
    order = np.argsort(ids, kind="stable")
    ids, owner = ids[order], owner[order]
    again = np.flatnonzero(ids[1:] == ids[:-1]) + 1
    for at in range(len(names)):
        mine = again[owner[again] == at]
        if len(mine):
            other = names[int(owner[mine[0] - 1])]
            yield SetProblem(
                names[at],
                f"{len(mine)} chunks are in another part too, the first {int(ids[mine[0]])} in {other}; a file belongs "
                "to one shard of one part",
            )


def _live_ids(generation: Generation) -> Ints:
    found = [one.segment.chunk_ids()[generation.live[one.base_row : one.end_row]] for one in generation.segments] or [
        np.empty(0, np.int64)
    ]
    return np.concatenate(found)
