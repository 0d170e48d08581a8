"""Questions that name a programming language: whether files in it come first.

    python benchmarks/languages.py WAREHOUSE [--least 4]

WAREHOUSE serves files that are called by what they do, in several languages and in folders that do not say which
(`git clone` of the repositories of TheAlgorithms, or of neetcode-gh/leetcode, each folder renamed). What at least
`--least` languages have is asked for in each of them, in three ways and without a language. MRR@10 of its files, one
hit a symbol, by what a chunk in another language loses (`search.legs.ELSEWHERE`), with the paired gain over no loss
and its 95 % interval.
"""

import argparse
import re
from collections import defaultdict
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

import xtr_assets as xa
from xtr_assets.core.file_language import language_of
from xtr_assets.core.significance import bootstrap_interval
from xtr_assets.search import legs
from xtr_assets.search.ranker import Mode

FORMS = ("{what} in {language}", "{language} {what}", "how to implement {what} in {language}", "{what}")
LOSSES = (0.0, 0.5, 0.75, 1.0)
BATCH = 64
# A file called so says nothing of what it does.
SAYS_NOTHING = frozenset({"main", "index", "utils", "mod", "init", "lib", "test", "tests"})

Question = tuple[str, str, set[str]]


def questions(paths: set[str], least: int) -> list[Question]:
    """(what is asked for, the language, the files that do it) of what so many languages have."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    called: dict[str, str] = {}
    for path in sorted(paths):
        words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+", PurePosixPath(path).stem)
        # A number before the name is its place in a list.
        name = "".join(words).lower().lstrip("0123456789")
        if language_of(path) and len(name) > 4 and name not in SAYS_NOTHING:
            found[name][language_of(path)].add(path)
            called.setdefault(name, " ".join(word.lower() for word in words if not word.isdigit()))
    return [
        (called[name], language, files)
        for name, by_language in found.items()
        if len(by_language) >= least
        for language, files in by_language.items()
    ]


def said(language: str) -> str:
    """As people write it: Go, C and R in capitals."""
    return language.capitalize() if len(language) <= 2 else language


def ranks(searcher: xa.Searcher, texts: list[str], right: list[set[str]], mode: Mode) -> npt.NDArray[np.float64]:
    """float64 [n]: one over the rank of the first hit in a right file, 0 behind the tenth."""
    found: list[float] = []
    for at in range(0, len(texts), BATCH):
        answers = searcher.search_batch(texts[at : at + BATCH], 10, mode, collapse="symbol", syntax="plain")
        for hits, files in zip(answers, right[at : at + BATCH], strict=True):
            found.append(next((1 / rank for rank, hit in enumerate(hits, 1) if hit.path in files), 0.0))
    return np.array(found)


def main() -> None:
    """Print a line for each way to ask and each loss, and one for words alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("warehouse", type=Path)
    parser.add_argument("--least", type=int, default=4, help="how many languages have what is asked for")
    given = parser.parse_args()
    with xa.open(given.warehouse) as searcher, searcher.opened() as opened:
        paths = set(opened.generation.chunk_table().column("path").to_pylist())
        asked = questions(paths, given.least)
        print(f"{len(asked)} questions for {len({what for what, _, _ in asked})} things")
        for form in FORMS:
            texts = [form.format(what=what, language=said(language)) for what, language, _ in asked]
            right = [files for _, _, files in asked]
            without = None
            for loss in LOSSES:
                legs.ELSEWHERE = loss
                found = ranks(searcher, texts, right, "hybrid")
                without = found if without is None else without
                gain = bootstrap_interval(found - without)
                told = f"{gain.mean:+.3f} [{gain.low:.3f}, {gain.high:.3f}]"
                print(f"{form:<44} hybrid, loss {loss:<5g} {found.mean():.3f} {told}", flush=True)
            print(f"{form:<44} words alone         {ranks(searcher, texts, right, 'lexical').mean():.3f}")


if __name__ == "__main__":
    main()
