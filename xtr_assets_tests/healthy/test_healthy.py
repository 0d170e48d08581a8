"""Healthy projects are published: five small ones here, all with `XTR_ASSETS_HEALTHY=200 pytest -m healthy`, or as a
list with `make healthy`."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from xtr_assets_tests.git_project import GIT
from xtr_assets_tests.healthy.course import run
from xtr_assets_tests.healthy.project import Project, Shape
from xtr_assets_tests.life import steps
from xtr_assets_tests.long_cases import kept

# Above this many texts the gate of this release still refuses some: see the count in docs/measurements.md.
SMALL = 300
# Every manner, and every kind and step but two that smaller tests have: headings with marks (test_heading_evidence.py)
# and a renaming (xtr_assets_tests/life). The others of the first twenty are long.
CHOSEN = (2, 3, 7, 10, 11)
COUNT = int(os.environ.get("XTR_ASSETS_HEALTHY", "0"))


@pytest.mark.parametrize("seed", kept(range(20), CHOSEN))
def test_a_small_healthy_project_is_published(seed: int, tmp_path: Path) -> None:
    course = run(seed, SMALL, tmp_path)
    assert course.builds == 1 + len(course.shape.steps)
    assert not course.refusals, [str(one) for one in course.refusals]


def test_a_change_that_no_build_sees_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What serves was that of before, and the campaign counted a build that was published."""
    monkeypatch.setattr(steps, "build", lambda *_, **__: SimpleNamespace(generation=None, reason="no change"))
    (refusal,) = run(2, SMALL, tmp_path).refusals
    assert refusal.step == "first build" and refusal.failed == ("nothing was built: no change",)


# Small in test_answers_agree.py: rows that only hold what is demanded.
@pytest.mark.long
def test_a_lone_character_of_thai_is_demanded_and_found(tmp_path: Path) -> None:
    """Drawn as `+ช` it is asked for in mode lexical, where inside a run it is no term."""
    course = run(3152, 20_000, tmp_path)
    assert not course.refusals, [str(one) for one in course.refusals]


@pytest.mark.healthy
@pytest.mark.skipif(not COUNT, reason="XTR_ASSETS_HEALTHY=200 builds so many projects, ten minutes")
@pytest.mark.parametrize("seed", range(COUNT))
def test_a_healthy_project_is_published(seed: int, tmp_path: Path) -> None:
    course = run(seed, 20_000, tmp_path)
    assert not course.refusals, [str(one) for one in course.refusals]


@pytest.mark.healthy
@pytest.mark.skipif(not COUNT, reason="17 CPU s; test_query_sample has what went wrong in small")
def test_emoji_headings_over_english_texts_are_published(tmp_path: Path) -> None:
    """The gate's and the tuner's queries were 200 headings of one vector: nprobe 1, which lost the new rows."""
    course = run(4047, 20_000, tmp_path)
    assert not course.refusals, [str(one) for one in course.refusals]


def test_a_seed_decides_everything() -> None:
    assert Shape.of(7, 20_000) == Shape.of(7, 20_000)
    shapes = [Shape.of(seed, 20_000) for seed in range(200)]
    assert {one.language for one in shapes} == {"en", "de", "zh", "ja", "th", "ar", "emoji", "mixed"}
    assert {one.manner for one in shapes} == {"prose", "permutations", "one", "duplicates", "real", "names"}
    kinds = {
        "jsonl",
        "parquet",
        "python",
        "markdown",
        "plain",
        "documents",
        "asset",
        "marked",
        "tongues",
        "odd",
        "config",
        *(["git"] if GIT else []),
    }
    assert {kind for one in shapes for kind in one.kinds} == kinds
    assert {one.queries for one in shapes} == {0, 20, 300}
    assert min(one.size for one in shapes) < 5 and max(one.size for one in shapes) > 15_000


def test_documents_of_every_form_are_written(tmp_path: Path) -> None:
    (seed,) = [one for one in range(100) if "documents" in (made := Shape.of(one, 300)).kinds and made.size > 120][:1]
    project = Project(tmp_path, Shape.of(seed, 300))
    assert {path.suffix for path in project.files() if path.parent.name == "documents"} >= {".html", ".docx", ".ipynb"}
    before = {path: path.read_bytes() for path in project.files()}
    for step in ("change", "rename", "duplicate", "shift", "add", "delete"):
        project.step(step)
    assert {path: path.read_bytes() for path in project.files()} != before
