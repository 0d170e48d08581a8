"""A folder of documents from `init` over `build` to `search`, and what is told of those that cannot be read."""

import json
from pathlib import Path

import pytest

from xtr_assets_tests.cli.answers import document, hits
from xtr_assets_tests.cli.conftest import Command
from xtr_assets_tests.documents import LEAFLET, MANUAL, PAGE, pdf


@pytest.fixture
def documents(project: Path) -> Path:
    """Documents of four kinds in place of the guide."""
    guide = project / "guide"
    (guide / "page.html").write_text(PAGE.replace("reads them", "reads the zebra"))
    (guide / "manual.docx").write_bytes(MANUAL)
    (guide / "leaflet.pdf").write_bytes(LEAFLET)
    (guide / "notes.rst").write_text("Notes\n=====\n\nA walrus is large.\n\nSeals\n----\n\nA seal is small.\n")
    (guide / "scanned.pdf").write_bytes(pdf([""]))
    config = project / "xtr.yaml"
    config.write_text(config.read_text().replace(', include: ["**/*.md"]', ""))
    return project


def test_documents_are_built_found_told_of_and_found_anew_where_they_change(documents: Path, change: Command) -> None:
    built = change("build")
    assert built.exit_code == 0, built.output
    found = json.loads(change("search", "closing twice is no fault", "--json", "-k", "4").stdout)["hits"]
    places = {(one["path"], one["symbol"], one["start_line"]) for one in found}
    assert ("leaflet.pdf", "page 3", 3) in places
    assert {"page.html", "manual.docx", "leaflet.pdf"} <= {one["path"] for one in found}
    assert hits(change, "a seal is small")[0] == "notes.rst"
    told = document(change, "status")["quarantine"]
    (scanned,) = [entry for entry in told if entry["path"] == "scanned.pdf"]
    assert scanned["reason"] == "no-text" and "ocrmypdf" in scanned["detail"]
    pages = ["Reader\nA reader opens files.", "The okapi lives in the forest.", "Closing twice is no fault."]
    (documents / "guide" / "leaflet.pdf").write_bytes(pdf(pages))
    built = change("build")
    assert built.exit_code == 0, built.output
    (first, *_) = json.loads(change("search", "okapi forest", "--json", "-k", "3").stdout)["hits"]
    assert (first["path"], first["symbol"]) == ("leaflet.pdf", "page 2")


def test_without_the_extra_the_rest_is_built_and_the_command_is_named(
    documents: Path, change: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xtr_assets.sources.document_worker._version", lambda name: "")
    monkeypatch.setattr("xtr_assets.pipeline.gate.document_evidence.importlib.util.find_spec", lambda name: None)
    built = change("build")
    assert built.exit_code == 0, built.output
    said = " ".join(built.output.split())
    assert "not installed: 4 files wait for it" in said and "pip install 'xtr-assets[documents]'" in said
