"""What of a small change grows with the corpus: CPU of every step of a build in which 0.1 % of one shard changed.

    python benchmarks/growth.py FOLDER --rows 10000 100000 300000

Generated records and the hashing encoder of `incremental.py`: what is measured is everything but a model. For each size
a full build, a build that finds nothing to do, and `--rounds` builds in each of which 0.1 % of the records changed, all
of them in one shard. FOLDER keeps what was built: a second run over it measures the small builds again, of whatever
code is installed by then. Steps are those that the manifest records; `rest` is what the process spent beside them. The
power of the corpus' size that a step grows by is fitted over the sizes, and says what it takes at a million.
"""

import argparse
import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import yaml
from incremental import Generated, Spent, built

SHARE = 0.001
MILLION = 1_000_000


def small_builds(folder: Path, rows: int, rounds: int, tag: str) -> tuple[Spent | None, Spent, list[Spent]]:
    """(the full build where it was not there, an idle one, the small ones) of a corpus in its folder."""
    corpus = Generated(folder / "records", rows)
    full = None
    if not (folder / "xtr.yaml").exists():
        config = {"name": "small", "warehouse": "warehouse", **corpus.write()}
        (folder / "xtr.yaml").write_text(yaml.safe_dump(config), "utf-8")
        full = built("full", folder)
    idle, changed = built("idle", folder), []
    for number in range(rounds):
        corpus.change(SHARE, 0, f"{tag}{number}")
        changed.append(built("changed", folder))
        if not changed[-1].published:
            sys.exit(f"the build after a change of {rows:,} records was refused; see `xtr-assets status` in {folder}")
    return full, idle, changed


def by_step(idle: Spent, changed: list[Spent]) -> dict[str, float]:
    """CPU s by step, each the median of the rounds; `beyond idle` is the sum less an idle build."""
    names = sorted({name for one in changed for name in one.costs})
    found = {name: median(one.costs.get(name, 0.0) for one in changed) for name in names}
    whole = median(one.cpu_seconds for one in changed)
    return {
        **found,
        "rest": whole - sum(found.values()),
        "idle": idle.cpu_seconds,
        "beyond idle": whole - idle.cpu_seconds,
    }


def power(sizes: list[int], spent: list[float]) -> float:
    """The power p of `seconds = a size^p`, by least squares over the logarithms; 0 where a step takes nothing."""
    if len(sizes) < 2 or min(spent) < 0.01:
        return 0.0
    return float(np.polyfit(np.log(sizes), np.log(spent), 1)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 300_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tag", default="", help="told apart from the changes of an earlier run")
    given = parser.parse_args()
    table: dict[int, dict[str, float]] = {}
    figures: dict[str, Any] = {}
    for rows in given.rows:
        folder = (given.folder / str(rows)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        full, idle, changed = small_builds(folder, rows, given.rounds, given.tag)
        table[rows] = by_step(idle, changed)
        figures[str(rows)] = {
            "steps": table[rows],
            "peak_mb": max(one.peak_mb for one in changed),
            "full": None if full is None else vars(full),
        }
        print(f"{rows:,}: {table[rows]['beyond idle']:.1f} CPU s beyond idle", file=sys.stderr)
    print(("{:28}" + "{:>12,}" * len(table) + "{:>8}{:>12}").format("CPU s", *table, "power", "at 1e6"))
    for name in dict.fromkeys(name for steps in table.values() for name in steps):
        spent = [steps.get(name, 0.0) for steps in table.values()]
        grows = power(list(table), spent)
        told = spent[-1] * (MILLION / list(table)[-1]) ** max(0.0, grows)
        print(f"{name:28}" + "".join(f"{one:>12.2f}" for one in spent) + f"{grows:>8.2f}{told:>12.2f}")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
