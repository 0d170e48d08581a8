"""Names of a repository that holds code, configuration and documents: those of documents add nothing to what is read in
their text, and hide which rows are documents."""

from pathlib import Path

import numpy as np
import pytest

import xtr_assets as xa
from xtr_assets.config import NAMED_KINDS, IndexConfig, parse_config
from xtr_assets.core.name_text import _NAMED as NAMED
from xtr_assets.pipeline.gate import name_evidence
from xtr_assets.pipeline.gate.name_evidence import name_problems, newly_named
from xtr_assets.pipeline.plan.begin import Begun, begin_generation
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.git_project import Repository, needs_git
from xtr_assets_tests.life import steps

pytestmark = needs_git

FILES = {
    "lib/retry.py": "def retry(n):\n    '''Retry the request after a pause.'''\n    return n\n",
    "lib/load.py": "def load(path):\n    '''Read the settings of the server.'''\n    return path\n",
    "web/sum.go": "package web\n\n// Sum adds up the pauses.\nfunc Sum(a int) int {\n\treturn a\n}\n",
    "server.yaml": "server:\n  port: 80\n  retries: 3\n  pause: 10\n",
    "guide.md": "# Guide\n\nA request is sent again after a pause.\n\n## Settings\n\nThe server reads its settings.\n",
    "notes.txt": "Notes on the pauses of the server.\n",
}
REST = """
encoder: {kind: hashing, dim: 16, token_dim: 16}
recall: {queries: 6, k: 4, dense: 0.0, xtr: 0.0, new_rows: 0.0}
"""
QUESTIONS = ("retry the request after a pause", "settings of the server", "sum of pauses", "server port retries")


class Project:
    """The repository, and an index over it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.repository = Repository(folder / "clone")
        self.repository.commit(FILES)
        self.warehouse = Warehouse.create(folder / "warehouse")

    def config(self, *sources: str) -> IndexConfig:
        every = "".join(f"  - {{{one}, path: clone}}\n" for one in sources)
        return parse_config(f"name: p\nsources:\n{every}{REST}", self.folder)

    def drafted(self, more: str = "") -> Draft:
        """A draft over what is encoded, without indexes."""
        config = self.config(f"name: all, kind: git{more}")
        steps.ingest(self.warehouse, config)
        begun = begin_generation(self.warehouse, config, steps.encoder_of(config), "names", afresh=True, required=())
        assert isinstance(begun, Begun), begun
        return begun.draft

    def built(self, more: str = "", warehouse: Warehouse | None = None) -> Generation:
        config = self.config(f"name: all, kind: git{more}")
        made = steps.build(warehouse or self.warehouse, config, whole=True)
        assert made.generation is not None, made.reason
        return made.generation


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def kinds_named(generation: Generation) -> dict[str, bool]:
    """Whether rows of a kind have names: all of them or none."""
    names, found = generation.names(), dict[str, set[bool]]()
    assert names is not None
    for row in generation.chunk_table(["kind"]).to_pylist():
        found.setdefault(row["kind"], set()).add(bool(names.gather(np.array([row["row"]])).any()))
    return {kind: whether == {True} for kind, whether in found.items() if len(whether) == 1}


CODE_ALONE = {"module": True, "function": True, "config": True, "section": False, "text": False}


def answers(warehouse: Warehouse) -> list[list[tuple[str, str, float, dict[str, float]]]]:
    with xa.open(warehouse.layout.root, "cpu") as searcher:
        asked = [searcher.search(one, 20, mode) for one in QUESTIONS for mode in ("hybrid", "exact", "dense")]
        return [[(hit.path, hit.symbol, hit.score, dict(hit.scores)) for hit in hits] for hits in asked]


def test_a_repository_ranks_as_its_files_in_sources_of_one_kind_each(project: Project) -> None:
    assert kinds_named(project.built()) == CODE_ALONE
    apart = Warehouse.create(project.folder / "apart")
    config = project.config(
        "name: docs, kind: text", "name: py, kind: python", "name: go, kind: code", "name: settings, kind: config"
    )
    assert steps.build(apart, config, whole=True).generation is not None
    found = answers(project.warehouse)
    assert found == answers(apart)
    first = found[QUESTIONS.index("retry the request after a pause") * 3]
    assert (first[0][1], first[1][0]) == ("retry", "guide.md")
    assert any("beside" in hit[3] for hits in found for hit in hits), "the best document comes beside the first code"


def test_what_a_release_before_named_answers_as_it_did_and_the_next_build_encodes_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setitem(NAMED_KINDS, "mixed", "all")
        before.setitem(name_evidence._AS_KINDS, "mixed", "names")
        old = project.built()
    assert all(kinds_named(old).values())
    served = answers(project.warehouse)

    monkeypatch.setattr("xtr_assets.pipeline.ingest.fresh_blocks.names_at", lambda *_: pytest.fail("a name is encoded"))
    new = project.built()
    assert kinds_named(new) == CODE_ALONE and new.manifest.segments == old.manifest.segments
    fresh = Warehouse.create(project.folder / "fresh")
    monkeypatch.undo()
    project.built(warehouse=fresh)
    assert answers(project.warehouse) == answers(fresh)

    project.warehouse.rollback()
    assert answers(project.warehouse) == served and project.warehouse.verify().ok


def test_a_word_of_the_configuration_names_documents_too(project: Project) -> None:
    assert kinds_named(project.drafted()) == CODE_ALONE
    assert all(kinds_named(project.drafted(", names: true")).values())
    assert kinds_named(project.drafted()) == CODE_ALONE
    assert project.drafted(", names: false").names() is None


def test_names_of_documents_are_built_though_the_same_without_them_was_rolled_back(project: Project) -> None:
    project.built()
    project.repository.commit({"more.md": "# More\n\nOn pauses.\n"})
    project.built()
    project.warehouse.rollback(reason="documents are found worse")
    config = project.config("name: all, kind: git, names: true")
    made = steps.build(project.warehouse, config, again=False)
    assert made.generation is not None, made.reason
    assert all(kinds_named(made.generation).values())


def test_compaction_keeps_whose_rows_have_names(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xtr_assets.core.compaction.TIER_SEGMENTS", 2)
    config = project.config("name: all, kind: git")
    for number in range(2):
        project.repository.commit({f"more{number}.md": f"# More {number}\n\nOn pauses.\n"})
        steps.build(project.warehouse, config)
    made = steps.compact(project.warehouse, config).generation
    assert made is not None and len(made.segments) == 1 and kinds_named(made) == CODE_ALONE


@pytest.mark.parametrize("named", [NAMED | {"section"}, NAMED - {"function"}])
def test_a_document_with_a_name_and_code_without_one_are_told(
    project: Project, monkeypatch: pytest.MonkeyPatch, named: frozenset[str]
) -> None:
    monkeypatch.setattr("xtr_assets.core.name_text._NAMED", named)
    draft, config = project.drafted(), project.config("name: all, kind: git")
    assert "has the name of something else" in str(name_problems(draft, newly_named(draft, None), config))


def test_names_of_documents_are_told_where_code_alone_has_them(project: Project) -> None:
    draft = project.drafted(", names: true")
    (found,) = name_problems(draft, [], project.config("name: all, kind: git"))
    assert "names of code alone in segments of source all" in str(found) and "has names" in str(found)
