"""What a person sees beside a check and an asset, in which order, and what the UI plots of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np

from xtr_assets.defs.metadata import FIGURES, NOT_SHOWN, dense_tuning_metadata, record_metadata
from xtr_assets.index import DenseIndex
from xtr_assets.pipeline.gate.registry import CHECKS
from xtr_assets_tests.defs.conftest import Project

PICTURES = ("recall_over_nprobe", "recall_over_k")
FIRST = ("value", "threshold", *FIGURES)
WORDS = ("summary", "remedy")


def normal(metadata: Mapping[str, Any]) -> dict[str, dg.MetadataValue[Any]]:
    """As Dagster stores it."""
    return dict(dg.AssetMaterialization("any", metadata=metadata).metadata)


def test_each_check_shows_pictures_then_figures_then_words(project: Project) -> None:
    generation = project.warehouse.published
    assert generation is not None
    records = generation.manifest.checks
    assert set(records) == {check.name for check in CHECKS} - {"judged_quality", "answers_shadow"}
    for name, record in records.items():
        shown = normal(record_metadata(record))
        kinds = [0 if key in PICTURES else 1 if key in FIRST else 2 if key in WORDS else 3 for key in shown]
        assert kinds == sorted(kinds), (name, list(shown))
        for key, figure in (("value", record.value), ("threshold", record.threshold)):
            assert (key in shown) == (figure is not None), (name, key)
        for key, value in shown.items():
            if key in FIRST:
                # A float always: 0 failures and 0.5 are one series.
                assert isinstance(value, dg.FloatMetadataValue), (name, key)
            if isinstance(value, dg.FloatMetadataValue):
                assert len(repr(value.value)) <= 12, (name, key, value.value)
        assert isinstance(shown["summary"], dg.TextMetadataValue), name
        assert not set(NOT_SHOWN) & set(shown), name
    assert next(iter(record_metadata(records["dense_recall"]))) in PICTURES
    # Settings are read and not plotted.
    for name in ("k", "default_threshold"):
        assert isinstance(normal(record_metadata(records["dense_recall"]))[name], dg.TextMetadataValue)


def test_a_check_says_which_generation_it_looked_at(fresh: Project) -> None:
    assert fresh.build().published
    for number in (1, 2):
        records = fresh.instance.fetch_materializations(dg.AssetKey(["small", "generation"]), limit=9).records
        entries = fresh.instance.all_logs(records[0].run_id, dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        looked = [one.get_dagster_event().asset_check_evaluation_data for one in entries]
        drafts = {one.metadata["generation"].value for one in looked if one.asset_key.path[-1] == "generation"}
        assert drafts == {str(number)}
        (fresh.modules / "more.py").write_text("def more():\n    return 1\n")
        assert number == 2 or fresh.build().published


def test_published_shows_recall_then_hits_then_costs_and_generation_what_was_left_out(fresh: Project) -> None:
    (fresh.modules / "broken.py").write_text("def broken(:\n")
    (fresh.modules / "notes.rst").write_text("no source reads this\n")
    assert fresh.build().published

    shown = latest(fresh, "published")
    names = list(shown)
    assert {"dense_recall_over_k", "xtr_recall_over_k"} <= set(names)
    hits = names.index("sample_hits")
    assert all("_recall_over_" in name for name in names[:hits])
    assert hits < names.index("costs") < names.index("seconds")
    # JSON is a link in Dagster's pages, behind which a person finds a dump.
    for asset in ("published", "xtr_index"):
        dumped = {name for name, one in latest(fresh, asset).items() if isinstance(one, dg.JsonMetadataValue)}
        assert not dumped, asset
    intake = latest(fresh, "generation")
    assert [intake[name].value for name in ("quarantined", "stale", "skipped")] == [1, 0, 1]
    # The token index of a small corpus is scanned by plan, and says so.
    assert "exactly" in str(latest(fresh, "xtr_index")["tuned"].value)
    assert latest(fresh, "faiss_index")["tuned"].value == "every row is read: there is nothing to choose"


def test_a_dense_index_shows_how_its_profile_was_found(tmp_path: Path) -> None:
    vectors = np.random.default_rng(5).standard_normal((3000, 16), np.float32)
    index = DenseIndex.build(vectors, "IVF32,SQ8")
    shown = normal(dense_tuning_metadata(index.tuning, True))
    assert list(shown) == ["recall_over_probes", "tuned", "tuning"]
    picture, words, tried = shown.values()
    nprobe = index.profile["nprobe"]
    assert isinstance(picture, dg.MarkdownMetadataValue) and f": profile: {nprobe}" in str(picture.value)
    assert f"nprobe {nprobe}, {index.profile['rescore']} rescored, recall {index.profile['recall']:.3f}" in str(
        words.value
    )
    assert isinstance(tried, dg.TableMetadataValue)
    assert index.tuning is not None and len(tried.records) == len(index.tuning.curve) > 1

    index.tune(goal=0.5, keep=True)
    assert "the profile there was still meets recall" in str(
        normal(dense_tuning_metadata(index.tuning, True))["tuned"].value
    )
    index.tune(goal=1.0)
    assert "recall 1:" in str(normal(dense_tuning_metadata(index.tuning, True))["tuned"].value)
    # What was opened, or set by hand, was not tuned here.
    index.apply("nprobe=3")
    assert index.tuning is None
    index.save(tmp_path / "dense")
    assert DenseIndex.load(tmp_path / "dense").tuning is None
    assert dense_tuning_metadata(None, False) == {"tuned": "the profile of the generation before is kept"}


def latest(project: Project, asset: str) -> Mapping[str, dg.MetadataValue[Any]]:
    event = project.instance.get_latest_materialization_event(dg.AssetKey(["small", asset]))
    assert event is not None and event.asset_materialization is not None
    return event.asset_materialization.metadata
