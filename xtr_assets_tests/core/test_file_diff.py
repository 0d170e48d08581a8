from hypothesis import given
from hypothesis import strategies as st

from xtr_assets.core.file_diff import UNREAD_SHA256, diff_files
from xtr_assets.core.types import FileState

digests = st.sampled_from(["a" * 64, "b" * 64, "c" * 64, UNREAD_SHA256])
looks = st.dictionaries(st.sampled_from("pqrstu"), digests, max_size=6)


def files(contents: dict[str, str], mtime: int = 0) -> dict[str, FileState]:
    return {path: FileState(path, 1, mtime, sha256) for path, sha256 in contents.items()}


def test_each_kind_of_change_is_told() -> None:
    before = files({"same": "a" * 64, "edited": "b" * 64, "old name": "c" * 64, "gone": "d" * 64})
    after = files({"same": "a" * 64, "edited": "e" * 64, "new name": "c" * 64, "new": "f" * 64}, mtime=9)
    changes = diff_files(before, after)
    assert changes.added == ("new",)
    assert changes.changed == ("edited",)
    assert changes.moved == (("old name", "new name"),)
    assert changes.deleted == ("gone",)
    assert changes.unchanged == ("same",)
    assert changes.touched == ("edited", "new", "new name")
    assert changes.removed == ("gone", "old name")


def test_two_files_of_the_same_bytes_move_in_order_of_name_and_once_each() -> None:
    changes = diff_files(files({"a": "x" * 64, "b": "x" * 64}), files({"c": "x" * 64, "d": "x" * 64, "e": "x" * 64}))
    assert changes.moved == (("a", "c"), ("b", "d"))
    assert changes.added == ("e",)


def test_unreadable_files_never_count_as_moved() -> None:
    changes = diff_files(files({"a": UNREAD_SHA256}), files({"b": UNREAD_SHA256}))
    assert (changes.moved, changes.deleted, changes.added) == ((), ("a",), ("b",))


@given(looks, looks)
def test_every_path_has_exactly_one_fate(before: dict[str, str], after: dict[str, str]) -> None:
    changes = diff_files(files(before), files(after, mtime=5))
    old, new = [pair[0] for pair in changes.moved], [pair[1] for pair in changes.moved]
    assert sorted([*changes.deleted, *old, *changes.changed, *changes.unchanged]) == sorted(before)
    assert sorted([*changes.added, *new, *changes.changed, *changes.unchanged]) == sorted(after)
    assert all(before[source] == after[target] for source, target in changes.moved)
    assert bool(changes) == (before != after)
