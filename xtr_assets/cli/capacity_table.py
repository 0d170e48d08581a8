"""`plan --chunks`: what an index of so many chunks takes, before any of them is there."""

from xtr_assets.cli.console import console, emit, say, size, table
from xtr_assets.core.capacity import Corpus, Divided, divided

# The engines whose rates are known, in words.
KNOWN = {"avx512_int16": "AVX-512", "amx_int16": "AMX"}


def show_capacity(corpus: Corpus, most_chunks: int, cores: int, as_json: bool) -> None:
    """Disk, memory, hours and a query of all parts, and of one. InvalidInput where nothing can be said."""
    whole = divided(corpus, most_chunks)
    if as_json:
        emit({**whole.as_json(), "most_chunks": most_chunks, "cores": cores})
        return
    part = whole.part
    say(
        f"{corpus.chunks:,} chunks of {corpus.tokens_a_chunk:g} tokens and {corpus.bytes_a_chunk:g} bytes, encoder "
        f"{corpus.encoder}, in {whole.parts} part{'s' * (whole.parts > 1)} of {part.corpus.chunks:,}"
    )
    lines = [
        ("disk, one generation", size(whole.disk_bytes), size(part.disk_bytes)),
        ("memory of a build at its peak", "each part's", size(part.building_bytes)),
        ("memory that searching owns", size(whole.searching_bytes), size(part.searching_bytes)),
        ("and maps: as page cache, or read from disk", size(whole.mapped_bytes), size(part.mapped_bytes)),
        *_encoding(whole, cores),
        ("building, hours of one core", f"{whole.building_hours:,.1f}", f"{part.building_seconds / 3600:,.1f}"),
        ("a hybrid query, CPU ms", f"{whole.query_ms:,.1f}", f"{sum(part.query_ms.values()):,.1f}"),
    ]
    console().print(table(None, ("", "all", "a part"), lines, right=("all", "a part")))
    say("estimated from builds of 4,642 to 1,000,000 chunks on AVX-512 cores; docs/sizing.md says how well it holds")


def _encoding(whole: Divided, cores: int) -> list[tuple[str, str, str]]:
    """A line for each kind of processor whose rate is known, which says whether this machine is of that kind."""
    part, counted = whole.part, f"encoding, hours of {cores} core{'s' * (cores > 1)}"
    vectors = (f"{whole.encoding_hours / cores:,.1f}", f"{part.encoding_seconds / cores / 3600:,.1f}")
    if part.tiles_seconds == part.encoding_seconds:
        return [(counted, *vectors)]
    tiles = (f"{whole.tiles_hours / cores:,.1f}", f"{part.tiles_seconds / cores / 3600:,.1f}")
    return [
        (f"{counted} with {KNOWN[engine]}{' (as here)' * (_engine() == engine)}", *hours)
        for engine, hours in zip(KNOWN, (vectors, tiles), strict=True)
    ]


def _engine() -> str | None:
    """What encodes on this machine; None where that is torch."""
    from xtr_assets.encoders.native_pass import engines

    return next(iter(engines("auto")), None)
