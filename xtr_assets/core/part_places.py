"""Which part of a set holds which shard: a shard stays where it was placed, a new one goes where there is room."""

from collections.abc import Collection, Mapping, Sequence

from xtr_assets.core.errors import InvalidInput

# Chunks that a part holds. Assigning tokens to 4 sqrt(T) centroids grows by the power of 1.5, and a part's build has to
# fit one host: at 5,000,000 chunks of 100 tokens it is 5 CPU hours, at 100,000,000 in one index 24 days.
MOST_CHUNKS = 5_000_000


def part_name(number: int) -> str:
    """The name of a part that was made by placing shards.

    >>> part_name(3)
    'part-0003'
    """
    return f"part-{number:04d}"


def place_shards(
    sizes: Mapping[str, int], known: Mapping[str, str], parts: Mapping[str, int], order: Sequence[str], most: int
) -> dict[str, str]:
    """The part of each shard that is in none yet, in the order of `sizes`.

    Parameters
    ----------
    sizes : chunks of each shard
    known : shard -> part, of those that were placed before: none of them moves
    parts : part -> chunks that it holds, those of shards included that were placed and not built yet
    order : parts, oldest first; the last one alone takes shards, so that the others stay as they are
    most : chunks a part. A shard of more gets a part of its own

    >>> place_shards({"a": 4, "b": 4, "c": 2}, {}, {}, [], 6)
    {'a': 'part-0001', 'b': 'part-0002', 'c': 'part-0002'}
    """
    wrong = [shard for shard, chunks in sizes.items() if chunks < 0]
    if wrong or most < 1:
        raise InvalidInput(f"chunks are counted from 0 and most_chunks from 1; {wrong[:1] or most} is neither")
    held, names = dict(parts), list(order)
    placed: dict[str, str] = {}
    for shard, chunks in sizes.items():
        if shard in known:
            continue
        if not names or (held.get(names[-1], 0) and held.get(names[-1], 0) + chunks > most):
            taken = {*names, *held}
            names.append(next(name for i in range(1, len(taken) + 2) if (name := part_name(i)) not in taken))
        held[names[-1]] = held.get(names[-1], 0) + chunks
        placed[shard] = names[-1]
    return placed


def fill_parts(
    units: Sequence[Sequence[str]], known: Mapping[str, str], order: Sequence[str], each: int, full: Collection[str]
) -> dict[str, str]:
    """The part of every shard, where nobody knows yet how many chunks it has.

    Parameters
    ----------
    units : shards that lie together, in the order of the configuration
    known : shard -> part, of those that were placed before: none of them moves
    order : parts, oldest first; the last one alone takes new shards
    each : shards a part. A unit of more gets a part of its own
    full : parts that take no shard any more

    >>> fill_parts([["a"], ["b"], ["c"]], {}, [], 2, [])
    {'a': 'part-0001', 'b': 'part-0001', 'c': 'part-0002'}
    >>> fill_parts([["new"], ["a"]], {"a": "part-0001"}, ["part-0001"], 1, [])
    {'new': 'part-0002', 'a': 'part-0001'}
    """
    if each < 1:
        raise InvalidInput(f"shards a part is {each}; a part has 1 or more")
    placed, names = dict(known), list(order)
    for unit in units:
        new = [shard for shard in unit if shard not in placed]
        if not new:
            continue
        part = next((placed[shard] for shard in unit if shard in placed), None)
        if part is None:
            last = names[-1] if names else ""
            held = sum(one == last for one in placed.values())
            if not names or last in full or (held and held + len(unit) > each):
                taken = {*names, *placed.values()}
                names.append(next(name for i in range(1, len(taken) + 2) if (name := part_name(i)) not in taken))
            part = names[-1]
        placed |= dict.fromkeys(new, part)
    return {shard: placed[shard] for unit in units for shard in unit}
