"""A history is built commit by commit: an ordinary one, one that loses half, one whose source is gone."""

from pathlib import Path

import pytest

from xtr_assets_tests.git_project import Repository, needs_git
from xtr_assets_tests.healthy.history import history

pytestmark = [needs_git, pytest.mark.long]


def test_commits_are_published_and_a_loss_is_told_apart(tmp_path: Path) -> None:
    clone = Repository(tmp_path / "clone")

    def commit(names: list[str], said: str) -> None:
        for one in clone.path.glob("*.md"):
            one.unlink()
        for name in names:
            (clone.path / f"{name}.md").write_text(
                f"# {name}\n\nAll that is known of the {name} and {said}.\n", "utf-8"
            )
        clone.git("add", "--all")
        clone.git("commit", "--quiet", "--message", said)

    birds = ["heron", "owl", "wren", "crane", "stork", "finch", "robin", "swift", "grebe", "ibis", "egret", "dove"]
    commit(birds, "its nest")
    commit([*birds, "kite"], "its song")
    commit(birds[:4], "its food")
    commit([], "nothing")
    found = list(history(clone.path, (9, 3, 2, 1, 0), tmp_path / "project"))
    assert [(one.word, bool(one.stopped)) for one in found] == [
        (False, False),
        (False, False),
        (True, False),
        (False, True),
    ]
    assert [one.chunks for one in found[:3]] == [12, 13, 4] and "no file in it" in found[3].stopped
