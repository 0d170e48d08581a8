"""What an older release published is built anew by the next build: words are added, nothing is encoded again."""

from pathlib import Path
from typing import Any

import pytest

from xtr_assets.core.errors import GenerationError
from xtr_assets.pipeline.gate.gate_check import LEXICAL_FOLDER
from xtr_assets.pipeline.gate.registry import CHECKS
from xtr_assets.pipeline.plan import decide, index_settings
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.life import steps
from xtr_assets_tests.life.world import World, Write, module


def test_the_next_build_adds_words_and_encodes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path)
    warehouse = Warehouse.create(tmp_path / "w")
    Write("code/a.py", module({"f": "red green", "g": "blue"})).apply(world)
    settings = index_settings.settings_of

    def before(config: Any) -> dict[str, Any]:
        found = settings(config)
        return {**found, "formats": {name: one for name, one in found["formats"].items() if name != "terms"}}

    with monkeypatch.context() as old:
        old.setattr(decide, "settings_of", before)
        old.setattr(steps, "derive_lexical", lambda _: None)
        of_words = {check.name for check in CHECKS if LEXICAL_FOLDER in check.subject}
        old.setattr(steps, "LEFT_OUT", {*steps.LEFT_OUT, *of_words})
        assert steps.build(warehouse, world.config).generation is not None
        assert steps.build(warehouse, world.config).generation is None, "the older release is content"
    with Searcher(warehouse, "cpu") as searcher:
        hits = [hit.symbol for hit in searcher.search("red", 3, "dense")]
        with pytest.raises(GenerationError, match="xtr-assets build"):
            searcher.search("red", 3, "lexical")
        built = steps.build(warehouse, world.config)
        assert "written by another release, in other formats" in built.reason
        assert built.encoded == 0 and built.generation is not None
        one, two = (warehouse.generation(number) for number in (1, 2))
        assert [(s.segment_id, s.base_row) for s in one.manifest.segments] == [
            (s.segment_id, s.base_row) for s in two.manifest.segments
        ]
        assert all(
            name in two.manifest.files for name in one.manifest.files if name.startswith(("segments/", "models/"))
        )
        searcher.refresh()
        assert [hit.symbol for hit in searcher.search("red", 3, "lexical")] == ["f"]
        assert [hit.symbol for hit in searcher.search("red", 3, "dense")] == hits
    assert steps.build(warehouse, world.config).generation is None
    warehouse.rollback()
    with Searcher(warehouse, "cpu") as searcher, pytest.raises(GenerationError, match="generation 1 has no lexical"):
        searcher.search("red", 3, "lexical")
    assert warehouse.verify().problems == ()
