"""What an older release chunked and named serves, and the next build brings it to this release's: by itself, gated, and
encoding only what reads otherwise."""

from pathlib import Path

import pytest

from xtr_assets.config import parse_config
from xtr_assets.core import name_text
from xtr_assets.core.chunking import markdown
from xtr_assets.defs.assets import embeddings
from xtr_assets.pipeline.gate import name_evidence
from xtr_assets.pipeline.ingest.scan import scan, write_chunks
from xtr_assets.pipeline.plan import decide as planned
from xtr_assets.pipeline.plan import index_settings
from xtr_assets.pipeline.plan.decide import decide, wanted
from xtr_assets.search import open as open_searcher
from xtr_assets.sources import base
from xtr_assets.storage import vector_files
from xtr_assets.storage.origin import Origin
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.life import steps
from xtr_assets_tests.sources import own

CONFIG = """\
name: docs
sources:
  - {name: guide, kind: text, path: guide}
  - {name: tools, kind: code, path: tools}
encoder: {kind: hashing, dim: 64, token_dim: 32}
"""


def test_titles_and_names_of_an_older_release_are_made_anew_and_the_rest_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tree_sitter")
    for number in range(30):
        page = tmp_path / f"guide/{number}.md"
        page.parent.mkdir(exist_ok=True)
        title = f"# [Page {number}](https://p/{number})" if number < 4 else f"# Page {number}"
        page.write_text(f"{title}\n\nText of page {number}.\n\n## More {number}\n\nNothing else of {number}.\n")
    (tmp_path / "tools").mkdir()
    for number in range(6):
        (tmp_path / f"tools/{number}.r").write_text(
            f"#' Opens door {number}. Now.\nopen_{number} <- function(a) {{\n  a + {number}\n}}\n"
        )
    warehouse, config = Warehouse.create(tmp_path / "warehouse"), parse_config(CONFIG, tmp_path)

    with monkeypatch.context() as older:
        older.setattr(base, "CHUNKER_VERSION", 3)
        older.setattr(markdown, "markdown_words", lambda raw, *_: raw)
        for module in (name_text, embeddings, index_settings, vector_files):
            older.setattr(module, "NAME_VERSION", 1)
        older.setattr(name_text, "doc_lines", lambda *_: iter(()))
        older.setattr(name_evidence, "_documentation", lambda *_: ())
        # The gate of that release looked for headings as they are written.
        older.setattr("xtr_assets.pipeline.gate.text_evidence.Paths.spelled", lambda *_, **__: True)
        first = steps.build(warehouse, config)
    assert first.generation is not None and warehouse.published is not None
    served = warehouse.published.number

    second = steps.build(warehouse, config, whole=True)
    assert warehouse.published.number > served, second.reason
    # Two sections of four pages have other titles.
    assert second.encoded == 8
    names = {name for name in warehouse.published.manifest.files if "/names." in name}
    assert names and all(".2/" in name for name in names)
    with open_searcher(tmp_path / "warehouse") as searcher:
        titles = {hit.title for hit in searcher.search("page", k=100) if hit.source == "guide"}
    assert {"Page 0", "Page 3 > More 3", "Page 9"} <= titles and not any("](" in title for title in titles)

    third = steps.build(warehouse, config)
    assert third.generation is None and third.encoded == 0, third.reason


def test_what_was_withdrawn_under_an_older_release_is_not_built_by_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "guide/a.md"
    page.parent.mkdir()
    warehouse = Warehouse.create(tmp_path / "warehouse")
    config = parse_config(CONFIG.replace("  - {name: tools, kind: code, path: tools}\n", ""), tmp_path)
    with monkeypatch.context() as older:
        older.setattr(base, "CHUNKER_VERSION", 3)
        older.setattr(planned, "said_of_sources", lambda *_: None)
        for text in ("The open part.", "The open part, and a secret."):
            page.write_text(f"# Page\n\n{text}\n")
            assert steps.build(warehouse, config).generation is not None
        older.setattr(base, "CHUNKER_VERSION", 2)
        assert steps.build(warehouse, config).generation is not None
    for number in (2, 3):
        warehouse.withdraw(number, "a secret")

    found = steps.build(warehouse, config)
    assert found.generation is None and "held exactly this and was withdrawn" in found.reason
    want = wanted(warehouse, config, warehouse.generation(1).manifest.fingerprint)
    want.allow_again(warehouse, "no secret")
    assert decide(warehouse, config, want, again=False).build


def test_code_of_ones_own_that_is_mended_makes_other_content_of_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "  - {name: notes, kind: 'python:xtr_assets_tests.sources.own:Notes'}\n"
    config = parse_config(f"name: docs\nsources:\n{source}encoder: {{kind: hashing, dim: 64}}\n", tmp_path)
    warehouse, made = Warehouse.create(tmp_path / "warehouse"), []
    for code in ("1" * 64, "2" * 64):
        monkeypatch.setattr(own.Notes, "fingerprint", lambda _, code=code: code)
        for one in scan(warehouse, config):
            write_chunks(warehouse, one, one.touched)
        want = wanted(warehouse, config, "5a")
        made.append(Origin.of("5a", want.snapshots, want.notes))
    assert made[0].files == made[1].files and not made[0].same_as(made[1])
    assert made[0].same_as(made[0])
