"""Records of a script without spaces offer queries as any do: no recall is passed for want of one."""

import json
from pathlib import Path

import pytest

from xtr_assets.config import parse_config
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.healthy.writing import Writer
from xtr_assets_tests.life import steps
from xtr_assets_tests.long_cases import kept


@pytest.mark.parametrize("titled", kept([True, False], [False]))
def test_recall_of_chinese_records_is_measured_by_their_own_words(tmp_path: Path, titled: bool) -> None:
    writer = Writer(12, "zh", "prose")

    def write(name: str, count: int) -> None:
        records = [{"_id": f"{name}{i}", "text": writer.text()} for i in range(count)]
        lines = (json.dumps(one | ({"title": writer.title()} if titled else {}), ensure_ascii=False) for one in records)
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines), "utf-8")

    write("a", 300)
    source = {"name": "zh", "kind": "records", "path": ".", "include": ["*.jsonl"]}
    # Lists by name: a plan would scan so few rows, and a scan proves nothing.
    settings = {"name": "zh", "sources": [source], "encoder": {"kind": "hashing"}, "dense": {"recipe": "IVF8,SQ8"}}
    config = parse_config(json.dumps(settings), tmp_path)
    warehouse = Warehouse.create(config.warehouse)
    steps.build(warehouse, config, whole=True, accepting=False)
    write("b", 40)
    made = steps.build(warehouse, config, whole=True, accepting=False).generation
    assert made is not None and made.live_rows >= 340
    checks = made.manifest.checks
    for name in ("dense_recall", "xtr_recall"):
        assert checks[name].details["queries"] >= 104 and "vector" not in checks[name].details["kinds"], name
    for name in ("dense_recall_new_rows", "xtr_recall_new_rows"):
        assert checks[name].value is not None and checks[name].details["queries"] >= 12, name
    assert checks["dense_recall"].details["basis"] == "lower bound"
