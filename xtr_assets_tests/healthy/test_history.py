"""A history is built commit by commit: an ordinary one, one that loses half, one whose source is gone, and one between
whose commits an operator does all that there is to do."""

from pathlib import Path

import pytest

from xtr_assets_tests.git_project import Repository, needs_git
from xtr_assets_tests.healthy.history import history
from xtr_assets_tests.healthy.operator_acts import Operator
from xtr_assets_tests.healthy.project_folder import ProjectFolder

pytestmark = [needs_git, pytest.mark.long]

FILES = 20
BIRDS = ["heron", "owl", "wren", "crane", "stork", "finch", "robin", "swift", "grebe", "ibis", "egret", "dove"]


def commit(clone: Repository, names: list[str], said: str) -> None:
    for one in clone.path.glob("*.md"):
        one.unlink()
    for name in names:
        (clone.path / f"{name}.md").write_text(f"# {name}\n\nAll that is known of the {name} and {said}.\n", "utf-8")
    clone.git("add", "--all")
    clone.git("commit", "--quiet", "--message", said)


def test_commits_are_published_and_a_loss_is_told_apart(tmp_path: Path) -> None:
    clone = Repository(tmp_path / "clone")
    commit(clone, BIRDS, "its nest")
    commit(clone, [*BIRDS, "kite"], "its song")
    commit(clone, BIRDS[:4], "its food")
    commit(clone, [], "nothing")
    *found, verified = history(clone.path, (9, 3, 2, 1, 0), tmp_path / "project")
    assert [(one.word, bool(one.stopped)) for one in found] == [
        (False, False),
        (False, False),
        (True, False),
        (False, True),
    ]
    assert [one.chunks for one in found[:3]] == [12, 13, 4] and "no file in it" in found[3].stopped
    assert verified.what == "verify" and not verified.stopped


def test_acts_between_commits_are_drawn_by_the_seed(tmp_path: Path) -> None:
    clone = Repository(tmp_path / "clone")
    for number in range(2):
        commit(clone, BIRDS, f"its nest in year {number}")
    first, again = ([one.what for one in history(clone.path, (1, 0), tmp_path / "project", acts=6)] for _ in range(2))
    assert first == again and len(first) > 3


def test_every_act_of_an_operator_leaves_an_index_that_serves(tmp_path: Path) -> None:
    folder = ProjectFolder(tmp_path)
    folder.corpus.mkdir()
    for number in range(FILES):
        text = f"# Bird {number}\n\nAll that is known of bird {number}.\n"
        (folder.corpus / f"{number}.md").write_text(text, "utf-8")
    folder.configure("hashing")
    assert not folder.build("first").stopped
    for name in Operator(folder, 0).acts:
        found = list(Operator(folder, 0, [name]).act())
        (folder.corpus / "0.md").write_text(f"# After {name}\n\nSomebody did {name} just now.\n", "utf-8")
        found.append(folder.build("after"))
        assert len(found) > 1 and not [str(one) for one in found if one.stopped], name
    assert not folder.command("verify", "verify").stopped


def test_an_act_that_does_not_go_well_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loss that is published, and a build where nothing but times should have changed."""
    folder = ProjectFolder(tmp_path)
    folder.corpus.mkdir()
    for number in range(FILES):
        (folder.corpus / f"{number}.md").write_text(f"# Bird {number}\n\nAll that is known of it.\n", "utf-8")
    folder.configure("hashing")
    folder.write_settings({**folder.settings(), "gate": {"shrink": 0.99}})
    assert not folder.build("first").stopped
    (lost,) = Operator(folder, 0, ["loss"]).act()
    assert "the loss of 15 files was not found" in lost.stopped
    monkeypatch.setattr("os.utime", lambda path: path.write_text("# Other\n\nwords.\n", "utf-8"))
    (touched,) = Operator(folder, 0, ["touch"]).act()
    assert "was built of the same bytes" in touched.stopped


def test_the_branch_of_a_repository_moves(tmp_path: Path) -> None:
    clone = Repository(tmp_path / "clone")
    commit(clone, BIRDS, "its nest")
    commit(clone, [*BIRDS, "kite"], "its song")
    found = list(history(clone.path, (1, 0), tmp_path / "project", git=True))
    assert [(one.chunks, one.stopped) for one in found] == [(12, ""), (13, ""), (0, "")]
