"""Versions, numbers of issues and CVEs of a changelog, asked for: whether what holds them comes first.

    python benchmarks/digits.py WAREHOUSE... [--most 30]

Each WAREHOUSE serves the documentation of a project with its changelog. Asked are versions that titles of sections
name, alone and in three sentences, and numbers of issues and CVEs that texts hold; right is what has the version in
its title, or the number in its text. MRR@10 without and with what rare words with a digit add, and the paired gain
with its 95 % interval.
"""

import argparse
import random
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

import xtr_assets as xa
from xtr_assets.core.significance import bootstrap_interval
from xtr_assets.search.legs import Legs

VERSION = re.compile(r"(?<![\w.])v?(\d+\.\d+\.\d+)(?![\w.])")
ISSUE = re.compile(r"(?<![\w.])(?:#|:(?:issue|pr|bug):`|GH-)(\d{3,5})(?!\w)")
CVE = re.compile(r"CVE-\d{4}-\d+")
CHANGES = re.compile(r"chang|hist|news|release|announce", re.IGNORECASE)
OF_VERSIONS = ("{}", "what changed in {}", "release notes of version {}", "{} bug fixes")
OF_ISSUES = ("{}", "issue {}", "fix for #{}")
OF_CVES = ("{}", "which release fixes {}")

Right = Callable[[xa.Hit], bool]


def questions(searcher: xa.Searcher, most: int) -> dict[str, list[tuple[str, Right]]]:
    """By kind what is asked, and which hits are right."""
    with searcher.opened() as opened:
        rows = opened.generation.chunk_table().select(["path", "title", "text"]).to_pylist()
    changes = [row for row in rows if CHANGES.search(row["path"])]
    last = [(row["title"] or "").rpartition(" > ")[2] for row in changes]
    found = {
        "versions": {one for title in last for one in VERSION.findall(title)},
        "issues": {one for row in rows for one in ISSUE.findall(row["text"])},
        "CVEs": {one for row in rows for one in CVE.findall(row["text"])},
    }
    forms = {"versions": OF_VERSIONS, "issues": OF_ISSUES, "CVEs": OF_CVES}
    chance = random.Random(0)
    asked: dict[str, list[tuple[str, Right]]] = {}
    for kind, every in found.items():
        chosen = chance.sample(sorted(every), min(most, len(every)))
        asked[kind] = [(form.format(one), right(kind, one)) for one in chosen for form in forms[kind]]
    return asked


def right(kind: str, number: str) -> Right:
    """Whether a hit has it: a version in the last part of its title, all else in its text."""
    whole = re.compile(rf"(?<![\w.])v?{re.escape(number)}(?![\w.]*\w)")
    if kind == "versions":
        return lambda hit: whole.search(hit.title.rpartition(" > ")[2]) is not None
    return lambda hit: whole.search(hit.text) is not None


def ranks(searcher: xa.Searcher, asked: list[tuple[str, Right]]) -> npt.NDArray[np.float64]:
    """One over the rank of the first right hit, 0 behind the tenth: float64 [n]."""
    answers = searcher.search_batch([text for text, _ in asked], 10)
    pairs = zip(answers, asked, strict=True)
    return np.array(
        [next((1 / at for at, hit in enumerate(hits, 1) if is_right(hit)), 0.0) for hits, (_, is_right) in pairs]
    )


def main() -> None:
    """Print a line for each warehouse and kind, then for all of each kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("warehouses", type=Path, nargs="+")
    parser.add_argument("--most", type=int, default=30, help="of each kind, in each warehouse")
    given = parser.parse_args()
    added = Legs.digits_by
    pooled: dict[str, list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]] = {}
    for path in given.warehouses:
        with xa.open(path) as searcher:
            for kind, asked in questions(searcher, given.most).items():
                if not asked:
                    continue
                Legs.digits_by = lambda self, query, rows, spaces: {}  # type: ignore[method-assign]  # noqa: ARG005
                without = ranks(searcher, asked)
                Legs.digits_by = added  # type: ignore[method-assign]
                pooled.setdefault(kind, []).append((without, ranks(searcher, asked)))
                told(f"{path.parent.name}, {kind}", *pooled[kind][-1])
    for kind, pairs in pooled.items():
        told(f"all, {kind}", np.concatenate([one for one, _ in pairs]), np.concatenate([one for _, one in pairs]))


def told(name: str, without: npt.NDArray[np.float64], having: npt.NDArray[np.float64]) -> None:
    """A line of figures."""
    gain = bootstrap_interval(having - without)
    figures = f"{without.mean():.3f} {having.mean():.3f} {gain.mean:+.3f} [{gain.low:.3f}, {gain.high:.3f}]"
    print(f"{name:<24} {len(having):>4}: {figures}", flush=True)


if __name__ == "__main__":
    main()
