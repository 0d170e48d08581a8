"""Compaction: what counts as new after it, the job by hand, and holes in the row space."""

import pytest

from xtr_assets.core.errors import ConfigError
from xtr_assets.defs.in_process import compact
from xtr_assets.pipeline.queries.gate_queries import read_queries
from xtr_assets_tests.defs.conftest import Project
from xtr_assets_tests.defs.test_upkeep import answers, job


def test_asked_for_by_hand_with_nothing_to_compact_it_builds_nothing(project: Project) -> None:
    result = job(project, "compact")

    assert result.success
    assert result.get_asset_materialization_events() == []
    assert not result.get_asset_check_evaluations()
    assert [one.number for one in project.warehouse.generations()] == [1]


@pytest.mark.parametrize(
    ("name", "tag", "said"),
    [
        ("compact", "xtr-assets/compact", "Erase"),
        ("rebuild", "xtr-assets/afresh", "yes"),
        ("tune", "xtr-assets/tune", "True"),
    ],
)
def test_a_run_does_not_end_well_where_nobody_understood_its_tag(
    project: Project, name: str, tag: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=f"the tag `{tag}` of this run is '{said}'; give true"):
        job(project, name, tags={tag: said})

    assert project.published == 1


@pytest.mark.parametrize(
    ("tag", "told"),
    [
        ("xtr-assets/afersh", "write `xtr-assets/afresh`"),
        ("xtr-assets/Compaction", "write `xtr-assets/compact`"),
        ("xtr-assets/accept-shrink", "`accept_shrink` is a field"),
    ],
)
def test_a_tag_that_is_written_wrong_is_refused_by_its_name(project: Project, tag: str, told: str) -> None:
    with pytest.raises(ConfigError, match=f"the tag `{tag}` of this run asks for nothing.* {told}"):
        job(project, "rebuild", tags={tag: "true"})


def test_a_tag_of_somebodys_own_asks_for_nothing_and_is_none_of_ours(project: Project) -> None:
    for tag in ("xtr-assets/team", "xtr-assets/reason", "xtr-assets/shard", "again", "compactt"):
        assert job(project, "compact", tags={tag: "true"}).success


@pytest.mark.long
def test_rewritten_rows_are_not_new_and_holes_are_closed_where_they_are_too_many(
    grown: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = grown
    assert compact(project.config, project.instance).published
    compacted = project.warehouse.generation(6)
    cost = compacted.manifest.notes["costs"]["generation"]
    assert (cost["rows_added"], cost["rows_removed"]) == (0, 0)
    assert cost["rows_rewritten"] >= 4
    assert not read_queries(compacted).of("new").any()
    assert compacted.holes > 0
    ids, answered = project.ids(), answers(project)
    assert "no shard has segments worth" in compact(project.config, project.instance).reason
    monkeypatch.setattr("xtr_assets.core.row_placement.HOLES_UNNOTICED", 0)
    monkeypatch.setattr("xtr_assets.core.row_placement.HOLES_SHARE", 0.1)

    result = compact(project.config, project.instance)

    assert result.published
    assert "rows are holes" in result.reason
    closed = project.warehouse.generation(7)
    assert (closed.holes, closed.parent) == (0, 6)
    assert closed.end_row < compacted.end_row
    assert (project.ids(), answers(project)) == (ids, answered)
    costs = closed.manifest.notes["costs"]
    assert costs["generation"]["rows_added"] == costs["xtr_index"]["postings_written"] == 0
    assert costs["lexical_index"]["postings_written"] == costs["lexical_index"]["rows"] == 0
    assert project.warehouse.verify().ok
    # The next change is built on the new rows, and a full build begins at row 0 whatever there was.
    (project.modules / "glob.py").unlink()
    assert project.build().published
    monkeypatch.undo()
    assert project.build(full=True).published
    assert project.warehouse.generation(9).holes == 0
