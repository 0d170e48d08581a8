"""Equal texts: how many different ones are among ten hits, as they are and folded, and what folding costs.

    python benchmarks/equal_texts.py WAREHOUSE [--questions 200]
    python benchmarks/equal_texts.py --rows 1000000

WAREHOUSE serves texts with titles that stand several times: a folder of documentation, copied under `v1` to `v5`, a
line changed in every tenth file of each. Drawn titles are asked. `--rows`: what it takes to find out which of so many
rows are equal, each text once and each five times.
"""

import argparse
from pathlib import Path
from time import process_time

import numpy as np

import xtr_assets as xa
from xtr_assets.core.search_options import Collapse
from xtr_assets.core.text_groups import TextGroups
from xtr_assets.search.ranker import Mode

MODES: tuple[Mode, ...] = ("hybrid", "dense", "lexical")
WAYS: tuple[Collapse | None, ...] = (None, "text")


def asked(searcher: xa.Searcher, titles: list[str], mode: Mode) -> str:
    """Different texts of ten hits, and CPU ms of a query, both ways."""
    texts: dict[Collapse | None, list[int]] = {way: [] for way in WAYS}
    spent: dict[Collapse | None, list[float]] = {way: [] for way in WAYS}
    searcher.search(titles[0], 10, mode, collapse="text")
    for title in titles:
        for way in WAYS:
            started = process_time()
            hits = searcher.search(title, 10, mode, syntax="plain", collapse=way)
            spent[way].append(1000 * (process_time() - started))
            texts[way].append(len({(hit.title, hit.text) for hit in hits}))
    told = [f"{np.mean(texts[way]):.2f} texts, {np.mean(spent[way]):.1f} CPU ms" for way in WAYS]
    return f"{told[0]}; folded {told[1]}: {np.mean(spent['text']) / np.mean(spent[None]):.2f} of it"


def grouped(rows: int, copies: int) -> str:
    """CPU s and bytes of as many rows, each text so many times."""
    chance = np.random.default_rng(0)
    hashes = np.repeat(chance.integers(0, 2**64, (rows // copies, 2), dtype=np.uint64), copies, axis=0)
    hashes = hashes[chance.permutation(len(hashes))]
    started = process_time()
    groups = TextGroups.of(hashes, np.arange(len(hashes)), len(hashes))
    spent = process_time() - started
    held = sum(one.nbytes for one in (groups.first, groups.second, groups.rows, groups.starts, groups.text_of))
    return f"{len(hashes)} rows, each text {copies} times: {spent:.2f} CPU s, {held / 1e6:.0f} MB"


def main() -> None:
    """Print a line for each mode, or for each number of copies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("warehouse", type=Path, nargs="?")
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--rows", type=int, default=1_000_000)
    given = parser.parse_args()
    if given.warehouse is None:
        for copies in (1, 5):
            print(grouped(given.rows, copies))
        return
    with xa.open(given.warehouse) as searcher, searcher.opened() as opened:
        rows = opened.generation.chunk_table(["title", "text"]).to_pylist()
        titles = sorted({row["title"] for row in rows} - {""})
        print(f"{len(rows)} chunks, {len({(row['title'], row['text']) for row in rows})} texts")
        drawn = [titles[at] for at in np.random.default_rng(0).permutation(len(titles))[: given.questions]]
        for mode in MODES:
            print(f"{mode:<8} {asked(searcher, drawn, mode)}", flush=True)


if __name__ == "__main__":
    main()
