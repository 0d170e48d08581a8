"""`python -m xtr_assets_tests.mutants [word ...]`: all mutants, or those whose name or place holds a word."""

import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from xtr_assets_tests.mutants.catalogue import CONTROLS, MUTANTS
from xtr_assets_tests.mutants.trial import Bases, Outcome, attempt


def main(words: list[str]) -> int:
    """0 where no harmful mutant was published, and each met the code it is planted in."""
    chosen = [
        one for one in (*CONTROLS, *MUTANTS) if not words or any(word in f"{one.name} {one.place}" for word in words)
    ]
    if not chosen:
        sys.exit(f"no mutant has {' or '.join(words)} in its name or place")
    table = Table("mutant", "place", "run", "stopped by", "harm")
    counts: Counter[str] = Counter()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        bases = Bases(Path(folder))
        for mutant in chosen:
            for run in mutant.runs:
                outcome = attempt(mutant, run, bases)
                kind = _kind(outcome)
                counts[kind] += 1
                table.add_row(mutant.name, mutant.place, run, outcome.said, "; ".join(outcome.harm[:2]) or "none")
                print(f"{kind:10} {run:12} {mutant.place}: {mutant.name}: {outcome.said}", flush=True)
                if outcome.published and outcome.harm:
                    print(f"           {'; '.join(outcome.harm[:3])}", flush=True)
    Console(width=200).print(table)
    print(f"{len(chosen)} mutants, {counts.total()} builds: {dict(counts)}; {time.monotonic() - started:.0f} s")
    return 1 if counts["PUBLISHED"] or counts["BROKEN"] else 0


# What stops a mutant that no longer fits the code it is planted in: it says nothing of the gate.
MISFITS = {error.__name__ for error in (TypeError, AttributeError, NameError, ImportError)}


def _kind(outcome: Outcome) -> str:
    if MISFITS & set(outcome.stopped_by):
        return "BROKEN"
    if outcome.published:
        return "PUBLISHED" if outcome.harm else "harmless"
    return "stopped" if outcome.harm else "overdone"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main(sys.argv[1:]))
