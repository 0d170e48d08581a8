"""One trial: a copy of the warehouse, one file of it damaged, and everything that people do with a warehouse."""

import random
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from xtr_assets.cli.locate import Place
from xtr_assets.cli.status import status_document
from xtr_assets.core.errors import XtrAssetsError
from xtr_assets.storage.digests import forget_digests
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.damage.harms import HARMS
from xtr_assets_tests.damage.kinds import by_kind, files_of
from xtr_assets_tests.damage.stock import MODES, Known, Stock, answers
from xtr_assets_tests.life import steps

# A trial takes half a second, two where it builds anew.
LIMIT_SECONDS = 60.0
# After a build that trained anew the token index may rank the last hits in another order; these two may not.
EXACT_MODES = ("dense", "lexical", "exact")

Verdict = Literal["detected", "harmless", "wrong", "traceback", "unnamed"]


class Hang(BaseException):
    """Past the limit; nothing that catches errors may catch it."""


@dataclass
class Outcome:
    """What a damaged file did. `refused`: step -> message; `faults`: what must not be."""

    trial: int
    kind: str
    harm: str
    name: str
    refused: dict[str, str] = field(default_factory=dict)
    reported: tuple[str, ...] = ()
    tracebacks: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    unnamed: dict[str, str] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        if self.wrong:
            return "wrong"
        if self.tracebacks:
            return "traceback"
        if self.unnamed:
            return "unnamed"
        return "detected" if self.refused or self.reported else "harmless"

    @property
    def bad(self) -> bool:
        return self.verdict in ("wrong", "traceback", "unnamed")

    def __str__(self) -> str:
        said = {**self.wrong, **self.tracebacks, **self.unnamed}
        told = "; ".join(f"{step}: {message[:300]}" for step, message in said.items())
        return f"trial {self.trial}: {self.verdict}: {self.kind}, {self.harm}, {self.name}: {told}"


def attempt(
    stock: Stock, seed: int, trial: int, folder: Path, *, kind: str | None = None, exported: bool = False
) -> Outcome:
    """Trial number `trial` of a seed, in a folder of its own below `folder`; the kinds come in turn, or it is `kind`.
    `exported`: a file of an export is damaged, which is then imported."""
    draw = random.Random(f"damage {seed} {trial}")
    root = stock.copy(folder / f"trial-{seed}-{trial}" / "warehouse", exported=exported)
    try:
        groups = by_kind(files_of(root))
        kind = kind or sorted(groups)[trial % len(groups)]
        serving = [n for n in groups[kind] if n.startswith(f"generations/{stock.serving}/")]
        name = draw.choice(groups[kind] + serving * 2)
        others = [root / one for one in groups[kind] if one != name]
        for harm in draw.sample(sorted(HARMS), len(HARMS)):
            if HARMS[harm](root / name, others, draw):
                break
        outcome = Outcome(trial, kind, harm, name)
        forget_digests()
        names = {name} if harm != "swap" else set(groups[kind])
        (_import if exported else _use)(stock, root, outcome, names)
        return outcome
    finally:
        shutil.rmtree(root.parent)


def _use(stock: Stock, root: Path, outcome: Outcome, names: set[str]) -> None:
    """Search, verify, status, a collection that only looks, a build with nothing changed, and a search after it."""
    config = stock.config.model_copy(update={"warehouse": root})
    take = taker(outcome, names)
    found = take("search", lambda: answers(Warehouse.open(root)))
    _compare("search", found, stock.known, MODES, outcome)
    report = take("verify", lambda: Warehouse.open(root).verify())
    if report is not None and report.ok and _is_other(stock, root, outcome.name):
        outcome.wrong["verify"] = "nothing is said of bytes that are not those that were recorded"
    if report is not None and not report.ok:
        outcome.reported = tuple(problem.path for problem in report.problems)
        if not any(name in path for name in names for path in outcome.reported):
            outcome.unnamed["verify"] = "; ".join(map(str, report.problems))
    take("status", lambda: status_document(Place(root, config), Warehouse.open(root)))
    take("gc", lambda: Warehouse.open(root).collect(2, dry_run=True, encoder=steps.encoder_of(config).fingerprint))
    built = take("build", lambda: steps.build(Warehouse.open(root), config, accepting=False))
    if built is not None:
        modes = MODES if built.generation is None else EXACT_MODES
        found = take("search after the build", lambda: answers(Warehouse.open(root), modes))
        _compare("search after the build", found, stock.known, modes, outcome)


def _is_other(stock: Stock, root: Path, name: str) -> bool:
    """Whether a file that a generation records has other bytes than in the whole warehouse, or is no file."""
    path = root / name
    return name in stock.recorded and (not path.is_file() or path.read_bytes() != (stock.warehouse / name).read_bytes())


def _import(stock: Stock, root: Path, outcome: Outcome, names: set[str]) -> None:
    """Take the export into an empty warehouse, let it serve there, and search."""
    take = taker(outcome, names)
    target = Warehouse.create(root.parent / "target")
    imported = take("import", lambda: target.import_generation(root))
    if imported is None:
        if Warehouse.open(target.root).generations():
            outcome.wrong["import"] = "it was refused, and is there"
        return
    take("publish", lambda: target.publish(imported.number, force_reason="a trial"))
    found = take("search", lambda: answers(Warehouse.open(target.root)))
    _compare("search", found, stock.known, MODES, outcome)
    report = take("verify", lambda: Warehouse.open(target.root).verify())
    if report is not None and not report.ok:
        outcome.wrong["verify"] = "what came in does not verify: " + "; ".join(map(str, report.problems))


def taker(outcome: Outcome, names: set[str]) -> Callable[[str, Callable[[], Any]], Any]:
    """What does a step and notes how it was refused, or that it failed otherwise."""

    def take(step: str, work: Callable[[], Any]) -> Any:
        try:
            with limit(LIMIT_SECONDS):
                return work()
        except XtrAssetsError as error:
            outcome.refused[step] = str(error)
            if not any(name in str(error) for name in names):
                outcome.unnamed[step] = f"{type(error).__name__}: {error}"
        except Hang:
            outcome.tracebacks[step] = f"no end after {LIMIT_SECONDS:.0f} s"
        except (Exception, SystemExit) as error:
            outcome.tracebacks[step] = f"{type(error).__name__}: {error}{_last_line(error)}"
        return None

    return take


def _compare(step: str, found: Known | None, known: Known, modes: tuple[str, ...], outcome: Outcome) -> None:
    if found is None:
        return
    for key, hits in known.items():
        if key[0] in modes and rounded(found.get(key, [])) != rounded(hits):
            outcome.wrong[step] = f"{key}: {found.get(key)} in place of {hits}"


def rounded(hits: list[tuple[int, float, dict[str, float]]]) -> list[tuple[int, float]]:
    return sorted((chunk, round(score, 4)) for chunk, score, _ in hits)


def _last_line(error: BaseException) -> str:
    trace, place = error.__traceback__, ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if "xtr_assets/" in file:
            place = f" at {Path(file).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


@contextmanager
def limit(seconds: float) -> Iterator[None]:
    """Hang after so many seconds: a signal also ends a wait for the other end of a pipe."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(_number: int, _frame: FrameType | None) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
