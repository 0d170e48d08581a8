"""What stands beside a published generation: those before it, what it lost, and where to look."""

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

import dagster as dg
import numpy as np
import pytest

from xtr_assets.core.types import Floats, Ints
from xtr_assets.defs.generation_history import history_metadata, history_pictures, lineage, strain
from xtr_assets.defs.metadata import quarantine_metadata
from xtr_assets.pipeline.derive.neighbor_lists import Neighbors, read_neighbors
from xtr_assets.pipeline.gate.drift import DRIFT_NOTE, LIMITS
from xtr_assets.pipeline.gate.index_recall import JUDGED, Judged, judged_key
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.pipeline.quality.worst_queries import worst_queries
from xtr_assets.pipeline.queries.gate_queries import read_queries
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.manifest import QuarantineEntry
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.defs.conftest import Project
from xtr_assets_tests.defs.test_plots import drawn, path


def published(project: Project) -> Generation:
    found = project.warehouse.published
    assert found is not None
    return found


def line_of(generation: Generation, numbers: Sequence[int]) -> list[Generation]:
    """Generations like this one, each the child of the one before it in number."""
    made = []
    for number in numbers:
        checks = dict(generation.manifest.checks)
        changed = {"number": number, "parent": number - 1 or None, "run_id": f"run-{number}", "checks": checks}
        made.append(Generation(generation.layout, number, generation.manifest.model_copy(update=changed)))
    return made


def kept(generations: Sequence[Generation]) -> Warehouse:
    return cast(Warehouse, SimpleNamespace(generations=lambda: list(generations)))


def test_generations_stand_beside_each_other_newest_first(project: Project) -> None:
    made = line_of(published(project), [1, 2, 3, 4, 5])
    line = lineage(kept(made), made[-1])
    assert [one.number for one in line] == [1, 2, 3, 4, 5]
    pictures = history_pictures(line)
    assert {"dense_recall_over_generations", "xtr_recall_over_generations"} <= set(pictures)
    dots = path(drawn(pictures["dense_recall_over_generations"], "dense recall"), "d")
    assert len(dots) == 3 * len(line)
    shown = history_metadata(line, "http://search.internal:8080/")
    rows = [record.data for record in shown["generations"].records]
    assert [row["generation"] for row in rows] == [5, 4, 3, 2, 1]
    assert (rows[0]["rows"], rows[0]["run"]) == (line[-1].live_rows, "run-5")
    assert shown["parent_run"] == dg.MetadataValue.dagster_run("run-4")
    assert shown["page"] == dg.MetadataValue.url("http://search.internal:8080/?view=index")


def test_what_was_collected_ends_the_line_and_a_long_one_is_cut(project: Project) -> None:
    made = line_of(published(project), [3, 4, *range(6, 20)])
    assert [one.number for one in lineage(kept(made[:3]), made[1])] == [3, 4]
    assert [one.number for one in lineage(kept(made), made[2])] == [6]
    assert [one.number for one in lineage(kept(made), made[-1])] == list(range(12, 20))


def test_generations_of_other_legs_and_checks_stand_beside_each_other(project: Project) -> None:
    made = line_of(published(project), [1, 2])
    del made[1].manifest.checks["xtr_recall"]
    made[1].manifest.checks["dense_recall"] = made[1].manifest.checks["dense_recall"].model_copy(update={"value": None})
    shown = history_metadata(made, None)
    rows = [record.data for record in shown["generations"].records]
    assert [(row["xtr_recall"], row["dense_recall"]) for row in rows] == [("", ""), ("1.0000", "1.0000")]
    assert history_pictures(made) == {}


def test_a_first_generation_has_no_curve_and_no_link(project: Project) -> None:
    line = lineage(project.warehouse, published(project))
    assert history_pictures(line) == {}
    assert set(history_metadata(line, None)) == {"generations"}


def test_the_figure_nearest_to_its_limit_tells_the_strain(project: Project) -> None:
    generation = published(project)
    figures = {"trained": 1, "recall": 1.0, "imbalance": None, "growth": None, "new_rows": None, "nprobe": None}
    known: dict[str, Any] = {**figures, "imbalance": LIMITS["imbalance"] / 2, "nprobe": LIMITS["nprobe"] * 2}
    notes = {**generation.manifest.notes, DRIFT_NOTE: known}
    changed = Generation(generation.layout, 1, generation.manifest.model_copy(update={"notes": notes}))
    share, name = strain(changed)
    assert (share, name) == (2.0, "nprobe")
    changed.manifest.notes[DRIFT_NOTE] = figures
    assert strain(changed) == (0.0, "")


class Losing:
    """An index that finds all exact neighbours of a query but the best one, of every second query."""

    def __init__(self, exact: Neighbors) -> None:
        self.exact = exact

    def search(self, queries: Floats, k: int) -> tuple[Floats, Ints]:
        rows, scores = self.exact.rows[:, :k].copy(), self.exact.scores[:, :k].copy()
        rows[::2, 0], scores[::2, 0] = -1, -np.inf
        return scores, rows


def session(project: Project, mean: float) -> DraftSession:
    """A published generation as the session of its draft, with an index that loses."""
    generation = published(project)
    gate, exact = read_queries(generation), read_neighbors(generation, "dense")
    record = generation.manifest.checks["dense_recall"]
    judged = record.model_copy(update={"details": {**record.details, "mean": mean}})
    manifest = generation.manifest.model_copy(update={"checks": {"dense_recall": judged}})
    stub = SimpleNamespace(
        config=project.config,
        draft=Generation(generation.layout, generation.number, manifest),
        queries=lambda: gate,
        neighbors=lambda space: exact,
        dense=lambda: Losing(exact.of(gate.of("fixed"))),
        kept=lambda name, key, make: make(),
    )
    return cast(DraftSession, stub)


def test_the_worst_queries_are_told_with_what_they_lost(project: Project) -> None:
    losing = session(project, 0.95)
    found = worst_queries(losing, 3)
    gate, exact = losing.queries(), losing.neighbors("dense")
    fixed = gate.of("fixed")
    assert len(found) == 3
    asked = gate.take(np.flatnonzero(fixed).tolist())
    lost = exact.of(fixed).rows[0, 0]
    place = losing.draft.chunk_table(["path", "start_line", "symbol"]).filter(
        np.asarray(losing.draft.chunk_table(["path"])["row"]) == lost
    )
    (row,) = place.to_pylist()
    first = next(one for one in found if one.text == asked.queries[0].text)
    assert first.lost == f"{row['path']}:{row['start_line']} {row['symbol']}"
    assert first.recall == pytest.approx(0.9) and first.space == "dense"
    assert replace(first) in worst_queries(losing, 100)


def test_what_the_gate_found_is_not_searched_again(project: Project) -> None:
    losing = session(project, 0.95)
    gate, exact = losing.queries(), losing.neighbors("dense")
    fixed = gate.of("fixed")
    asked, held = gate.take(np.flatnonzero(fixed).tolist()), exact.of(fixed)
    found = Neighbors(*Losing(held).search(asked.embeddings, losing.config.recall.k))
    real = DraftSession(project.warehouse, losing.draft, project.config)
    real.keep(JUDGED["dense"], judged_key(real, "dense"), Judged(asked, held, found))
    with patch.object(DraftSession, "dense", side_effect=AssertionError("searched again")):
        assert worst_queries(real, 100) == worst_queries(losing, 100)
        # Another profile: what was kept says nothing of it.
        losing.draft.manifest.profile["dense"] = {"nprobe": 1}
        with pytest.raises(AssertionError, match="searched again"):
            worst_queries(real, 100)


def test_nothing_is_searched_where_nothing_is_lost(project: Project) -> None:
    assert worst_queries(session(project, 1.0), 3) == []


def test_quarantined_files_are_counted_by_reason() -> None:
    reasons = ["unparsable", "too_large", "unparsable"]
    entries = [QuarantineEntry(source="a", path=f"{n}", line=1, reason=r, detail="") for n, r in enumerate(reasons)]
    shown = quarantine_metadata(entries)
    assert [dict(one.data) for one in shown["quarantined_by_reason"].records] == [
        {"reason": "unparsable", "files": 2},
        {"reason": "too_large", "files": 1},
    ]
