"""One mutant, one run: the build with the fault in it, what stopped it, and what would have been served."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from xtr_assets.core.errors import PublishRefused, XtrAssetsError
from xtr_assets.index.late.options import Depths, Route
from xtr_assets.index.late.search import ALL_POSTINGS
from xtr_assets.pipeline.gate.registry import CHECKS, requirement
from xtr_assets.pipeline.plan.draft_session import end_session
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.life import steps
from xtr_assets_tests.mutants.corpus import Corpus, change, write_corpus
from xtr_assets_tests.mutants.fault import Files, Mutant, Run, locally
from xtr_assets_tests.mutants.oracle import harm
from xtr_assets_tests.mutants.truth import Truth, truth_of

WAREHOUSE = "warehouse"
# Small changes in a row, so that a shard has four segments of one tier, which a compaction makes one.
LAYERS = 4
# Lists that a query token reads where lists are read: a healthy index of this size passes its gate with so many.
LISTS_READ, ROWS_RESCORED = 240, 320


@dataclass(frozen=True)
class Outcome:
    """published : the fault serves. stopped_by : failed checks, "publish", or the error that the code raised itself.
    harm : what the oracle finds in what serves, or, where it was stopped, in the draft served by force. unchanged :
    what served before serves still."""

    published: bool
    stopped_by: tuple[str, ...]
    harm: tuple[str, ...]
    unchanged: bool
    message: str = ""

    @property
    def said(self) -> str:
        """For the table."""
        if self.published:
            return "PUBLISHED" if self.harm else "published, harmless"
        return ", ".join(self.stopped_by)


class Bases:
    """Healthy projects that trials begin from, each made once below a folder and copied."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made: dict[str, Path] = {}
        self._trials = 0

    def copy(self, run: Run, recipe: str, lists: bool, files: Files = "") -> Corpus:
        """A project of its own for one trial."""
        name = f"{run}-{recipe.replace(',', '-')}-{lists}{files and '-'}{files}"
        if name not in self._made:
            base = self.folder / name
            _MAKERS[run](write_corpus(base, recipe, files=files), lists)
            self._made[name] = base
        self._trials += 1
        target = self.folder / f"trial{self._trials}"
        shutil.copytree(self._made[name], target)
        return Corpus(target, recipe, files)


def _empty(_corpus: Corpus, _lists: bool) -> None:
    """Nothing was built."""


def _changed(corpus: Corpus, lists: bool) -> None:
    _build(corpus, lists)
    change(corpus)


def _layered(corpus: Corpus, lists: bool) -> None:
    """Generations over segments of a few rows each, some of them dead, some at other lines than they say."""
    _changed(corpus, lists)
    _build(corpus, lists)
    for number in range(LAYERS):
        path = corpus.path(f"guide/late{number}.md")
        path.write_text(f"# Late {number}\n\nWritten {number} times after all was built, for layer {number}.\n")
        for module in ("m09", "m10", "m11", "m12", "m13", "m14"):
            file = corpus.path(f"code/{module}.py")
            text = file.read_text("utf-8")
            file.write_text("\n" + text + f"\n\ndef {module}_layer_{number}():\n    return 'added {module} {number}'\n")
        _build(corpus, lists)


def _exported(corpus: Corpus, lists: bool) -> None:
    """Generation 2 lies in `export`, generation 1 of the same sources serves in `warehouse`."""
    _build(corpus, lists)
    shutil.copytree(corpus.path(WAREHOUSE), corpus.path("before"))
    change(corpus)
    _build(corpus, lists)
    Warehouse.open(corpus.path(WAREHOUSE)).export(2, corpus.path("export"))
    shutil.rmtree(corpus.path(WAREHOUSE))
    corpus.path("before").rename(corpus.path(WAREHOUSE))


_MAKERS: dict[Run, Callable[[Corpus, bool], None]] = {
    "full": _empty,
    "incremental": _changed,
    "compaction": _layered,
    "transfer": _exported,
}


@contextmanager
def reading_lists(wanted: bool) -> Iterator[None]:
    """The token index reads its lists, however few tokens there are."""
    if not wanted:
        yield
        return

    def lists(*, centroids: int, nprobe: int, **_: int) -> Route:
        return Route(False, min(centroids, max(nprobe, LISTS_READ)), "read for this trial")

    def deep(depths: Any) -> Any:
        def all_met(profile: Any, route: Route, limit: int, wanted: int, allowed_rows: int) -> Depths:
            found: Depths = depths(profile, route, limit, wanted, allowed_rows)
            return replace(found, k_prime=ALL_POSTINGS, met=1 << 20, limit=max(limit, ROWS_RESCORED))

        return all_met

    place = "index.late.search"
    with locally(place, "plan_search", lambda _: lists)(Path()), locally(place, "_depths", deep)(Path()):
        yield


def _build(corpus: Corpus, lists: bool) -> None:
    with reading_lists(lists):
        warehouse = Warehouse.create(corpus.path(WAREHOUSE), exist_ok=True)
        assert steps.build(warehouse, corpus.config, whole=True, accepting=False).generation is not None


def attempt(mutant: Mutant, run: Run, bases: Bases) -> Outcome:
    """Plant the fault, build, and look."""
    corpus = bases.copy(run, mutant.recipe, mutant.lists, mutant.files)
    truth = truth_of(corpus)
    assert len(truth.encoded.embeddings) and truth.words, "encoded before anything is planted"
    try:
        with reading_lists(mutant.lists):
            return _attempt(mutant, run, corpus, truth)
    finally:
        end_session()
        shutil.rmtree(corpus.folder)


def _attempt(mutant: Mutant, run: Run, corpus: Corpus, truth: Truth) -> Outcome:
    warehouse = Warehouse.create(corpus.path(WAREHOUSE), exist_ok=True)
    before, config = _serving(warehouse), corpus.config
    stopped: tuple[str, ...] = ()
    message = ""
    with ExitStack() as stack:
        stack.enter_context(mutant.plant(corpus.folder))
        try:
            if run == "transfer":
                warehouse.import_generation(corpus.path("export"))
                warehouse.publish(2, required=requirement(config), who="mutants")
            elif run == "compaction":
                assert steps.compact(warehouse, config, whole=True).generation is not None, "nothing was compacted"
            else:
                steps.build(warehouse, config, whole=True, accepting=False)
        except XtrAssetsError as error:
            message = str(error)
            failed = _failed(warehouse)
            refused = isinstance(error, PublishRefused)
            stopped = failed if refused and failed else ("publish",) if refused else (type(error).__name__,)
        except Exception as error:
            message, stopped = repr(error), (type(error).__name__,)
    published = not stopped
    unchanged = _serving(warehouse) == before
    if stopped and not _force(warehouse):
        return Outcome(published, stopped, ("no draft that could serve",), unchanged, message)
    with mutant.plant(corpus.folder) if mutant.serves else nullcontext():
        found = tuple(one for one in _harm(truth, warehouse) if not mutant.stale or "lost" in one)
        return Outcome(published, stopped, found, unchanged, message)


def _harm(truth: Truth, warehouse: Warehouse) -> list[str]:
    """What the oracle says; an index that cannot even answer is harm too."""
    try:
        return harm(truth, warehouse)
    except Exception as error:
        return [f"it cannot be searched: {error!r}"]


def _serving(warehouse: Warehouse) -> tuple[int | None, str]:
    """What serves: its number, and the digest of its manifest."""
    published = warehouse.published
    if published is None:
        return None, ""
    return published.number, warehouse.layout.manifest_seal(published.number).read_text()


def _failed(warehouse: Warehouse) -> tuple[str, ...]:
    newest = warehouse.newest_draft()
    return (
        ()
        if newest is None
        else tuple(sorted(one.name for one in newest.check_results() if _counts(one.name) and not one.passed))
    )


@cache
def _counts(name: str) -> bool:
    return any(check.name == name and check.blocking for check in CHECKS)


def _force(warehouse: Warehouse) -> bool:
    """Let the newest draft serve whatever its checks said; False where there is none that could."""
    draft: Generation | None = warehouse.newest_draft()
    if draft is None:
        return False
    try:
        warehouse.publish(draft.number, force_reason="to see what it would have served")
    except XtrAssetsError:
        return False
    return True
