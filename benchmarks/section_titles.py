"""Titles of AsciiDoc's sections, asked for: whether what stands in the section comes first.

    python benchmarks/section_titles.py FOLDER WAREHOUSE WAREHOUSE

FOLDER holds the files, and each WAREHOUSE an index of them; the first one is that of before. Asked is each title that
one section alone has, where that section has a text, alone and behind the title of its page; right is a hit in the
lines of the section. MRR@10 in both, and the paired gain with its 95 % interval.
"""

import argparse
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

import xtr_assets as xa
from xtr_assets.core.chunking.asciidoc import asciidoc_outline
from xtr_assets.core.chunking.headings import Heading
from xtr_assets.core.chunking.line_spans import Lines, normalize_newlines
from xtr_assets.core.significance import bootstrap_interval
from xtr_assets.sources.text_tree import STYLES


@dataclass(frozen=True)
class Section:
    """A section at lines first..last of a file, and what its page is called."""

    path: str
    page: str
    title: str
    first: int
    last: int


def sections(folder: Path) -> list[Section]:
    """Those whose title no other one has, and that have a text."""
    found: list[Section] = []
    titles: Counter[str] = Counter()
    for file in sorted(folder.rglob("*")):
        if STYLES.get(file.suffix.lower()) != "asciidoc":
            continue
        lines = Lines(normalize_newlines(file.read_text()))
        headings = asciidoc_outline(lines).headings
        above: list[Heading] = []
        end = Heading(len(lines) + 1, 0, 0, "")
        for heading, following in pairwise((*headings, end)):
            above = [*(one for one in above if one.level < heading.level), heading]
            titles[heading.title] += 1
            if lines.trim(heading.last + 1, following.first - 1):
                path = file.relative_to(folder).as_posix()
                found.append(Section(path, above[0].title, heading.title, heading.last, following.first - 1))
    return [one for one in found if titles[one.title] == 1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("warehouses", nargs=2, type=Path)
    arguments = parser.parse_args()
    asked = sections(arguments.folder)
    before, now = (xa.open(warehouse) for warehouse in arguments.warehouses)
    for mode in ("hybrid", "dense", "xtr", "lexical"):
        for name in ("title", "page and title"):
            gains = np.array([[_rank(one, searcher, mode, name) for searcher in (before, now)] for one in asked])
            gain = bootstrap_interval(gains[:, 1] - gains[:, 0])
            figures = " ".join(f"{mean:.3f}" for mean in gains.mean(axis=0))
            print(f"{mode:<8} {name:<15} {len(asked)}: {figures} {gain.mean:+.3f} [{gain.low:.3f}, {gain.high:.3f}]")


def _rank(one: Section, searcher: xa.Searcher, mode: str, name: str) -> float:
    """One over the place of the first right hit, 0 where none of ten is."""
    query = one.title if name == "title" or one.page == one.title else f"{one.page}: {one.title}"
    hits = enumerate(searcher.search(query, k=10, mode=mode), 1)  # type: ignore[arg-type]
    right = (place for place, hit in hits if hit.path == one.path and _meets(one, hit))
    return 1.0 / next(right, float("inf"))


def _meets(one: Section, hit: xa.Hit) -> bool:
    return hit.start_line <= one.last and hit.end_line >= one.first


if __name__ == "__main__":
    main()
