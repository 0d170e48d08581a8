"""264 questions such as developers ask about eleven projects: how many have an answer in the first hits.

    git clone https://github.com/pallets/click FOLDER/click
    python benchmarks/projects.py FOLDER [PROJECT ...] [--mode hybrid] [--losses 0 1.5]

FOLDER holds the projects of project_questions.json by their names, at the commits that stand there, or some of them.
Each is indexed whole, tests and examples among the rest, into FOLDER/indexes where it is not there yet. Questions and
answers were written by somebody who asked no search, 21 a project about the code and 3 about its tests or examples;
one hit a symbol; a hit answers where it is a symbol told, or lies in one. Printed is what answers by what tests lose
where nobody asks for them (`search.legs.UNASKED_TESTS`), with the paired gain in MRR@10 over the first of the losses
and its 95 % interval.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import yaml

import xtr_assets as xa
from xtr_assets.core.significance import bootstrap_interval
from xtr_assets.search import legs
from xtr_assets.search.ranker import Mode

COMMAND = str(Path(sys.executable).with_name("xtr-assets"))
DEEP = 100

Ranks = npt.NDArray[np.int64]


def warehouse_of(folder: Path, name: str, suffixes: list[str]) -> Path:
    """The index of a project, built or brought up to date."""
    home = folder / "indexes" / name
    home.mkdir(parents=True, exist_ok=True)
    source: dict[str, Any] = {"name": "src", "kind": "python", "path": str(folder / name)}
    if suffixes != ["py"]:
        source |= {"kind": "code", "include": [f"**/*.{suffix}" for suffix in suffixes]}
    (home / "xtr.yaml").write_text(
        yaml.safe_dump({"name": name, "warehouse": "warehouse", "sources": [source]}), "utf-8"
    )
    subprocess.run([COMMAND, "build"], cwd=home, check=True, stdout=sys.stderr)
    return home / "warehouse"


def answers(hit: xa.Hit, told: list[str]) -> bool:
    """Whether a hit is one of the symbols told, as "path symbol", or lies in one."""
    own = f".{hit.symbol.replace('::', '.')}."
    pairs = (one.rsplit(" ", 1) for one in told)
    return any(path == hit.path and f".{symbol.replace('::', '.')}." in own for path, symbol in pairs)


def ranks_of(searcher: xa.Searcher, questions: list[dict[str, Any]], mode: Mode) -> Ranks:
    """Of the first answer to each question, DEEP + 1 where there is none: int64 [n]."""
    found = []
    for one in questions:
        hits = searcher.search(one["question"], k=DEEP, mode=mode, collapse="symbol")
        places = (rank for rank, hit in enumerate(hits, 1) if answers(hit, one["answers"]))
        found.append(next(places, DEEP + 1))
    return np.array(found, np.int64)


def reciprocal(ranks: Ranks) -> npt.NDArray[np.float64]:
    """1 / rank of the first ten, else 0: float64 [n]."""
    return np.where(ranks <= 10, 1 / ranks, 0.0)


def told(name: str, ranks: Ranks, than: Ranks) -> None:
    """A line of figures."""
    shares = ", ".join(f"{np.mean(ranks <= k):.3f} in the first {k}" for k in (1, 3, 10))
    gain = bootstrap_interval(reciprocal(ranks) - reciprocal(than))
    found = f"MRR@10 {reciprocal(ranks).mean():.3f} {gain.mean:+.3f} [{gain.low:.3f}, {gain.high:.3f}]"
    print(f"{name:<28} {len(ranks):>4}: {shares}, {found}", flush=True)


def main() -> None:
    """Index what is to be indexed, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("projects", nargs="*")
    parser.add_argument("--mode", default="hybrid", choices=get_args(Mode))
    parser.add_argument("--losses", type=float, nargs="+", default=[0.0, legs.UNASKED_TESTS])
    given = parser.parse_args()
    folder = given.folder.resolve()
    known = json.loads(Path(__file__).with_name("project_questions.json").read_text("utf-8"))
    names = given.projects or [name for name in known if (folder / name).is_dir()]
    found: dict[tuple[str, float], list[Ranks]] = {}
    for name in names:
        with xa.open(warehouse_of(folder, name, known[name]["suffixes"])) as searcher:
            for loss in given.losses:
                legs.UNASKED_TESTS = loss
                for of in ("code", "tests"):
                    asked = [one for one in known[name]["questions"] if one["of"] == of]
                    found.setdefault((of, loss), []).append(ranks_of(searcher, asked, given.mode))
                    told(f"{name}, {of}, loss {loss:g}", found[of, loss][-1], found[of, given.losses[0]][-1])
    for (of, loss), ranks in found.items():
        told(f"all, {of}, loss {loss:g}", np.concatenate(ranks), np.concatenate(found[of, given.losses[0]]))


if __name__ == "__main__":
    main()
