"""`python -m xtr_assets_tests.damage [--trials 2000] [--seed 0] [--legs both] [--exported] [--cold] [--wide]`:
files of every kind damaged, and what came of it."""

import argparse
import faulthandler
import logging
import os
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from xtr_assets.index.late import centroids
from xtr_assets_tests.damage.cold import attempt_cold, make_store
from xtr_assets_tests.damage.stock import make_stock
from xtr_assets_tests.damage.trial import Outcome, Verdict, attempt

VERDICTS: tuple[Verdict, ...] = ("detected", "harmless", "wrong", "traceback", "unnamed")


def main(words: list[str]) -> int:
    """0 where no trial gave a wrong answer, a traceback, a hang or a refusal that does not name the file."""
    parser = argparse.ArgumentParser(prog="python -m xtr_assets_tests.damage")
    parser.add_argument("--trials", type=int, default=2000, help="how many files are damaged")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="the first trial; one alone with --trials 1")
    parser.add_argument("--legs", choices=("both", "dense", "tokens"), default="both", help="which the warehouse has")
    parser.add_argument("--exported", action="store_true", help="damage an export, and import it")
    parser.add_argument(
        "--cold", action="store_true", help="damage a store that an empty cache reads by ranges, or early/"
    )
    parser.add_argument("--wide", action="store_true", help="numbers of centroids of 32 bits")
    parser.add_argument("--kind", help="this kind of file alone")
    given = parser.parse_args(words)
    started, outcomes = time.monotonic(), []
    with tempfile.TemporaryDirectory() as kept:
        folder = Path(kept)
        # What a host remembers of files that it read is not for the next trial.
        os.environ["XTR_ASSETS_CACHE"] = str(folder / "cache")
        (folder / "world").mkdir()
        if given.wide:
            # As if there were more centroids than 16 bits count.
            centroids.NARROW_CENTROIDS = 2
        stock = make_stock(folder / "world", given.legs)
        store = make_store(stock, folder / "store") if given.cold else folder
        for trial in range(given.first, given.first + given.trials):
            if given.cold:
                outcome = attempt_cold(stock, store, given.seed, trial, folder)
            else:
                outcome = attempt(stock, given.seed, trial, folder, kind=given.kind, exported=given.exported)
            outcomes.append(outcome)
            if outcome.bad:
                print(outcome, flush=True)
    _show(outcomes)
    counts: Counter[str] = Counter(one.verdict for one in outcomes)
    took = time.monotonic() - started
    print(f"{given.trials} trials: {', '.join(f'{counts[one]} {one}' for one in VERDICTS)}; {took:.0f} s")
    return 1 if any(one.bad for one in outcomes) else 0


def _show(outcomes: list[Outcome]) -> None:
    """Kind and damage against what came of it."""
    cells: Counter[tuple[str, str, str]] = Counter((one.kind, one.harm, one.verdict) for one in outcomes)
    table = Table("kind", "damage", *VERDICTS)
    for kind, harm in sorted({(one.kind, one.harm) for one in outcomes}):
        table.add_row(kind, harm, *(str(cells[kind, harm, verdict] or "") for verdict in VERDICTS))
    Console().print(table)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    faulthandler.enable()
    logging.disable(logging.WARNING)
    sys.exit(main(sys.argv[1:]))
