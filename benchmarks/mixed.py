"""Code and documents of one project in one index: what questions about either find, by what comes beside the first.

    git clone https://github.com/pallets/click FOLDER/click
    python benchmarks/mixed.py FOLDER [PROJECT ...] [--gains 0 1.5] [--git]

FOLDER holds eight projects of project_questions.json by their names, at the commits that stand there, or some of them.
Each is indexed, code and documents (reStructuredText and Markdown), into FOLDER/mixed where it is not there yet; with
--git as one source, a repository, into FOLDER/mixed-git. Of the questions about code and about tests those about code
are asked, and 13 a project that its documentation answers (document_questions.json), written by somebody who asked no
search. One hit a symbol; a hit answers where it is a symbol told, or lies in one, or is a section told. Printed is what
answers by what the best row of the kind that is not first may gain (`hybrid.beside` of the profile), with the paired
gain in MRR@10 over the first of the gains and its 95 % interval. A document may answer a question about code as well,
and code one that its documentation answers: nobody judged those.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import yaml
from projects import COMMAND, DEEP, Ranks, answers, told

import xtr_assets as xa
from xtr_assets.search.blend import OTHER_KIND, Blend

HERE = Path(__file__).parent


def warehouse_of(folder: Path, name: str, suffixes: list[str], *, git: bool) -> Path:
    """The index of a project's code and documents, built or brought up to date. git : as one source."""
    home = folder / ("mixed-git" if git else "mixed") / name
    home.mkdir(parents=True, exist_ok=True)
    path = str(folder / name)
    code: dict[str, Any] = {"name": "src", "kind": "python", "path": path}
    if suffixes != ["py"]:
        code |= {"kind": "code", "include": [f"**/*.{suffix}" for suffix in suffixes]}
    documents = {"name": "docs", "kind": "text", "path": path, "include": ["**/*.rst", "**/*.md"]}
    patterns = [f"**/*.{suffix}" for suffix in (*suffixes, "rst", "md")]
    whole = {"name": "all", "kind": "git", "path": path, "include": patterns}
    config = {"name": name, "warehouse": "warehouse", "sources": [whole] if git else [code, documents]}
    (home / "xtr.yaml").write_text(yaml.safe_dump(config), "utf-8")
    subprocess.run([COMMAND, "build"], cwd=home, check=True, stdout=sys.stderr)
    return home / "warehouse"


def is_section(hit: xa.Hit, told: list[list[str]]) -> bool:
    """Whether a hit is one of the sections told, as path and heading."""
    own = {_plain(hit.symbol.rpartition(" > ")[2]), _plain(hit.title.rpartition(" > ")[2])}
    return any(path == hit.path and _plain(heading) in own for path, heading in told)


def _plain(heading: str) -> str:
    return "".join(one for one in heading.lower() if one.isalnum())


def ranks_of(searcher: xa.Searcher, questions: list[dict[str, Any]], of: str) -> Ranks:
    """Of the first answer to each question, DEEP + 1 where there is none: int64 [n]."""
    found = []
    for one in questions:
        hits = searcher.search(one["question"], k=DEEP, collapse="symbol")
        right = answers if of == "code" else is_section
        found.append(next((rank for rank, hit in enumerate(hits, 1) if right(hit, one["answers"])), DEEP + 1))
    return np.array(found, np.int64)


def main() -> None:
    """Index what is to be indexed, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("projects", nargs="*")
    parser.add_argument("--gains", type=float, nargs="+", default=[0.0, OTHER_KIND])
    parser.add_argument("--git", action="store_true", help="one source, of the repository, in place of two")
    given = parser.parse_args()
    folder = given.folder.resolve()
    known = json.loads((HERE / "project_questions.json").read_text("utf-8"))
    documented = json.loads((HERE / "document_questions.json").read_text("utf-8"))
    names = given.projects or [name for name in documented if (folder / name).is_dir()]
    found: dict[tuple[str, float], list[Ranks]] = {}
    for name in names:
        warehouse = warehouse_of(folder, name, known[name]["suffixes"], git=given.git)
        asked = {
            "code": [one for one in known[name]["questions"] if one["of"] == "code"],
            "documents": documented[name],
        }
        for gain in given.gains:
            # What a generation was published with does not change: all are asked by the standard weights.
            blend = replace(Blend.standard(), beside=gain)
            with patch.object(Blend, "of", return_value=blend), xa.open(warehouse) as searcher:
                for of, questions in asked.items():
                    found.setdefault((of, gain), []).append(ranks_of(searcher, questions, of))
                    told(f"{name}, {of}, gain {gain:g}", found[of, gain][-1], found[of, given.gains[0]][-1])
    for (of, gain), ranks in found.items():
        told(f"all, {of}, gain {gain:g}", np.concatenate(ranks), np.concatenate(found[of, given.gains[0]]))


if __name__ == "__main__":
    main()
