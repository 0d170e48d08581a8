"""A seal that got lost takes nothing with it: what PUBLISHED or the history names is never an overtaken draft."""

import shutil
from pathlib import Path

import pytest

from xtr_assets.core.errors import CorruptFile, GenerationError
from xtr_assets.storage.seal import seal_text
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.storage.conftest import Laid
from xtr_assets_tests.storage.sample import draft, flip, publish, texts, write

A, B, C = ({"a.py": [f"f {word}"]} for word in ("one", "two", "three"))


@pytest.fixture
def lived(laid: Laid) -> Warehouse:
    """Generations 1 to 3, of which 3 serves."""
    return laid(A, B, C)


def lose(warehouse: Warehouse, *numbers: int) -> None:
    for number in numbers:
        warehouse.layout.manifest_seal(number).unlink()


def states(warehouse: Warehouse) -> list[str]:
    return [one.state for one in warehouse.generations()]


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("step", ["clean", "collect", "build", "rollback", "publish"])
def test_a_generation_whose_seal_is_lost_is_kept_and_sealed_again(lived: Warehouse, number: int, step: str) -> None:
    lose(lived, number)
    assert lived.published is not None and texts(lived.published) == ["f three"]
    assert states(lived) == ["retired", "retired", "published"]
    assert [p.path for p in lived.verify().problems] == [f"generations/{number}/manifest.json.sha256"]
    if step == "clean":
        assert lived.clean(keep_drafts=0) == []
    elif step == "collect":
        assert lived.collect(keep=3).generations == ()
    elif step == "build":
        lived.clean()
        write(lived, {"a.py": ["f four"]})
        assert publish(lived).number == 4
    elif step == "rollback":
        assert lived.rollback().number == 2
    else:
        assert lived.publish(2, again_reason="why not").number == 2
    assert lived.verify().ok
    assert lived.layout.numbers()[:3] == [1, 2, 3]
    assert [texts(lived.generation(n)) for n in (1, 2, 3)] == [["f one"], ["f two"], ["f three"]]
    data = lived.layout.manifest(number).read_bytes()
    assert lived.layout.manifest_seal(number).read_bytes() == seal_text(data)


def test_a_draft_below_the_pointer_still_goes(lived: Warehouse) -> None:
    write(lived, A)
    overtaken = draft(lived).number
    write(lived, {"a.py": ["f four"]})
    publish(lived)
    assert lived.clean() == [f"generations/{overtaken}"]


def test_without_its_seal_an_altered_manifest_is_refused(lived: Warehouse) -> None:
    lose(lived, 3)
    path = lived.layout.manifest(3)
    path.write_bytes(path.read_bytes().replace(b'"notes": {}', b'"notes": {"a": 1}'))
    with pytest.raises(CorruptFile, match=r"generations/3/manifest\.json: expected sha256 \w+ by the history"):
        _ = lived.published
    with pytest.raises(CorruptFile):
        lived.collect(keep=1)
    assert lived.clean(keep_drafts=0) == [] and lived.layout.numbers() == [1, 2, 3]
    assert not lived.layout.manifest_seal(3).exists(), "what the history does not know is not vouched for"
    assert lived.rollback().number == 2


def test_a_seal_that_nobody_can_vouch_for_is_named(lived: Warehouse) -> None:
    lose(lived, 3)
    lived.layout.history.unlink()
    info = lived.info.model_copy(update={"format_version": 2, "history": None})
    lived.layout.warehouse_json.write_bytes(info.to_bytes())
    with pytest.raises(
        CorruptFile, match=r"manifest\.json\.sha256: expected the sha256 of manifest\.json, found no file"
    ):
        _ = lived.published
    assert "generations/3/manifest.json.sha256" in {p.path for p in lived.verify().problems}
    assert lived.layout.generation(3).is_dir()


def test_a_generation_that_serves_and_lost_seal_and_manifest_is_not_removed(lived: Warehouse) -> None:
    lose(lived, 3)
    lived.layout.manifest(3).unlink()
    with pytest.raises(
        CorruptFile, match=r"generations/3/manifest\.json: expected the manifest of a sealed generation"
    ):
        _ = lived.published
    assert lived.clean() == [] and (lived.layout.generation(3) / "dense.faiss").is_file()
    with pytest.raises(CorruptFile):
        lived.collect(keep=1)
    with pytest.raises(GenerationError, match="is sealed; collection removes it"):
        lived.discard(3)
    assert (lived.layout.generation(3) / "dense.faiss").is_file()
    assert "generations/3/manifest.json" in {p.path for p in lived.verify().problems}
    assert lived.rollback(1).number == 1


def test_a_damaged_seal_is_told_from_a_damaged_manifest(lived: Warehouse) -> None:
    flip(lived.layout.manifest_seal(3), 5)
    with pytest.raises(CorruptFile, match=r"generations/3/manifest\.json\.sha256: expected sha256 \w+, which manifest"):
        _ = lived.published
    flip(lived.layout.manifest_seal(3), 5)
    flip(lived.layout.manifest(3), 5)
    with pytest.raises(CorruptFile, match=r"generations/3/manifest\.json: expected sha256 \w+ by the history"):
        _ = lived.published


def test_a_move_noted_after_a_crash_vouches_too(lived: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    def dead(*_: object, **__: object) -> None:
        raise RuntimeError("died")

    write(lived, {"a.py": ["f four"]})
    made = draft(lived)
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="died"):
        patch.setattr("xtr_assets.storage.publish.append_history", dead)
        lived.publish(made.number, force_reason="crash")
    lived.clean()
    noted = lived.history()[-1]
    assert (noted.action, noted.forced) == ("recovered", True)
    lose(lived, 4)
    assert lived.published is not None and lived.published.number == 4
    lived.clean()
    assert lived.verify().ok


def test_a_lost_seal_exports_and_imports(lived: Warehouse, tmp_path: Path) -> None:
    lose(lived, 3)
    lived.export(3, tmp_path / "out")
    target = Warehouse.create(tmp_path / "target")
    assert texts(target.import_generation(lived.root)) == ["f three"]
    assert target.verify().ok and Warehouse.open(tmp_path / "out").verify().ok


def test_a_half_written_folder_is_told_from_an_unknown_number(lived: Warehouse) -> None:
    lived.layout.generation(4).mkdir()
    with pytest.raises(GenerationError, match=r"generation 4 has no manifest\.json.*there are: 1, 2, 3$"):
        lived.generation(4)
    with pytest.raises(GenerationError, match=r"generation 5 is unknown; there are: 1, 2, 3$"):
        lived.generation(5)
    assert lived.clean() == ["generations/4"]


def test_a_copy_without_any_seal_searches_builds_and_collects(lived: Warehouse, tmp_path: Path) -> None:
    copy = Warehouse.open(shutil.copytree(lived.root, tmp_path / "copy", ignore=shutil.ignore_patterns("*.sha256")))
    assert copy.published is not None and texts(copy.published) == ["f three"]
    copy.clean()
    write(copy, {"a.py": ["f four"]})
    assert publish(copy).number == 4
    assert copy.collect(keep=2).kept == (3, 4)
    assert copy.verify().ok


def test_a_draft_that_cannot_be_read_may_be_removed(lived: Warehouse) -> None:
    """It never served: nobody has a copy of it, and no rollback makes a build begin again."""
    made = draft(lived)
    lived.layout.manifest(made.number).write_text("{")
    with pytest.raises(CorruptFile, match=r"manifest.json: expected JSON.*a draft that .*: remove generations/4, and"):
        lived.newest_draft()
    shutil.rmtree(made.directory)
    assert lived.newest_draft() is None and publish(lived).number == 5
