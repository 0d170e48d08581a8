"""The stored JSON: exact bytes, published schemas, unknown versions and fields refused."""

import json

import jsonschema
import pytest

from xtr_assets.core.errors import CorruptFile, InvalidInput, UnknownFormat, WarehouseNotFound
from xtr_assets.storage.history import append_history, published_stack, read_history
from xtr_assets.storage.history_entry import HistoryEntry
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.manifest import Listing
from xtr_assets.storage.schema_files import SCHEMAS, STORED_FILES, schema_bytes
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets.storage.warehouse_info import WarehouseInfo
from xtr_assets_tests.storage.sample import publish, write


@pytest.mark.parametrize("name", STORED_FILES)
def test_the_schema_in_the_repository_is_current(name: str) -> None:
    remedy = "run python -m xtr_assets.storage.schema_files"
    assert (SCHEMAS / f"{name}.schema.json").read_bytes() == schema_bytes(name), remedy


def test_every_json_file_of_a_warehouse_meets_its_schema(warehouse: Warehouse) -> None:
    write(warehouse, {"a.py": ["f one"]})
    publish(warehouse)
    patterns = {
        "warehouse": "warehouse.json",
        "snapshot": "shards/*/????????????????.json",
        "segment": "segments/*/segment.json",
        "listing": "segments/*/*/files.json",
        "manifest": "generations/*/manifest.json",
    }
    for name, pattern in patterns.items():
        schema = json.loads((SCHEMAS / f"{name}.schema.json").read_bytes())
        paths = list(warehouse.root.glob(pattern))
        assert paths, pattern
        for path in paths:
            jsonschema.validate(json.loads(path.read_bytes()), schema)
    schema = json.loads((SCHEMAS / "history_entry.schema.json").read_bytes())
    for line in warehouse.layout.history.read_text().splitlines():
        jsonschema.validate(json.loads(line), schema)


def test_a_listing_is_these_bytes() -> None:
    listing = Listing.model_validate({"made_by": "ab", "files": {"x.npy": {"bytes": 3, "sha256": "cd"}}})
    assert listing.to_bytes().decode() == (
        '{\n "files": {\n  "x.npy": {"bytes": 3, "sha256": "cd"}\n },\n "format_version": 1,\n "made_by": "ab"\n}\n'
    )
    assert Listing.from_bytes(listing.to_bytes(), "x") == listing


@pytest.mark.parametrize("version", [7, 0, "1", None])
def test_another_format_version_is_refused_with_both(warehouse: Warehouse, version: object) -> None:
    path = warehouse.layout.warehouse_json
    path.write_text(json.dumps({**json.loads(path.read_text()), "format_version": version}))
    with pytest.raises(
        UnknownFormat, match=rf"format_version {version!r}, this release reads 1 and 2 and 3 and 4 and 5 and 6"
    ):
        Warehouse.open(warehouse.root)


def test_an_unknown_field_is_refused() -> None:
    data = json.dumps({**json.loads(WarehouseInfo(created_at="x").to_bytes()), "colour": "red"}).encode()
    with pytest.raises(CorruptFile, match="colour"):
        WarehouseInfo.from_bytes(data, "warehouse.json")


@pytest.mark.parametrize("data", [b"", b"\xff", b"[]", b"null", b'{"format_version": 1}'])
def test_what_is_no_such_file_is_a_corrupt_file(data: bytes) -> None:
    with pytest.raises((CorruptFile, UnknownFormat)):
        Listing.from_bytes(data, "files.json")


def test_the_warehouse_remembers_the_encoders_it_was_used_with(warehouse: Warehouse) -> None:
    write(warehouse, {"a.py": ["f one"]})
    publish(warehouse)
    encoders = Warehouse.open(warehouse.root).info.encoders
    assert [(f[:4], e.name, e.dim, e.token_dim) for f, e in encoders.items()] == [("5a5a", "sample", 8, 4)]


def test_where_there_is_no_warehouse_the_remedy_is_named(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(WarehouseNotFound, match="xtr-assets build"):
        Warehouse.open(tmp_path)
    inner = Warehouse.create(tmp_path / "inner").root
    (tmp_path / "xtr.yaml").touch()
    for near in (tmp_path, tmp_path / "xtr.yaml"):
        with pytest.raises(WarehouseNotFound, match=f"pass {inner}$"):
            Warehouse.open(near)


def test_a_torn_last_line_of_the_history_is_ignored_and_cut_off(warehouse: Warehouse) -> None:
    layout = warehouse.layout
    append_history(layout, "published", 1, previous=None, who="ann")
    with layout.history.open("ab") as file:
        file.write(b'{"at": "2026')
    assert [e.generation for e in read_history(layout)] == [1]
    append_history(layout, "published", 2, previous=1, who="ann")
    assert [e.generation for e in read_history(layout)] == [1, 2]


def test_a_changed_line_of_the_history_is_refused(warehouse: Warehouse) -> None:
    append_history(warehouse.layout, "published", 1, previous=None, who="ann")
    path = warehouse.layout.history
    path.write_bytes(path.read_bytes().replace(b'"generation":1', b'"generation":7'))
    with pytest.raises(CorruptFile, match=r"history\.jsonl line 1"):
        warehouse.history()


def entries(*moves: str) -> list[HistoryEntry]:
    actions = {"p": "published", "r": "rolled_back", "w": "withdrawn"}
    return [
        HistoryEntry.model_validate(
            {"at": "", "action": actions[move[0]], "generation": int(move[1:]), "previous": None, "who": ""}
        )
        for move in moves
    ]


@pytest.mark.parametrize(
    ("moves", "published", "stack"),
    [
        (["p1", "p2", "p3"], 3, [1, 2, 3]),
        (["p1", "p2", "p3", "r2"], 2, [1, 2]),
        (["p1", "p2", "r1", "p3"], 3, [1, 3]),
        (["p1", "p2", "p1"], 1, [2, 1]),
        (["p1", "p2", "w1"], 2, [1, 2]),
        (["p1"], 2, [1, 2]),  # the crash came between the pointer and the history
        (["p1", "p2", "p3"], 1, [1]),
        ([], None, []),
    ],
)
def test_the_stack_of_published_generations(moves: list[str], published: int | None, stack: list[int]) -> None:
    assert published_stack(entries(*moves), published) == stack


@pytest.mark.parametrize("name", ["../up", "a\\..\\b/..", "a//b", "./x", "a/../b"])
def test_a_name_in_a_manifest_never_leaves_the_warehouse(tmp_path, name: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InvalidInput, match="inside the warehouse"):
        Layout(tmp_path).resolve(name)


@pytest.mark.parametrize("text", [b"", b"x\n", b"1", b"01\n", b"0\n", b"-1\n", b"1\n\n", b"\xff"])
def test_a_damaged_pointer_is_refused(warehouse: Warehouse, text: bytes) -> None:
    warehouse.layout.published.write_bytes(text)
    with pytest.raises(CorruptFile, match="PUBLISHED: expected a generation number"):
        _ = warehouse.published
