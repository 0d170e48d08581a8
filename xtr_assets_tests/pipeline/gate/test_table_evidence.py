"""CSV read a second time: strange files agree with their source, and planted faults do not."""

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from xtr_assets.config import SourceConfig
from xtr_assets.core.types import Chunk, Quarantined
from xtr_assets.pipeline.gate import table_evidence
from xtr_assets.pipeline.gate.record_evidence import record_faults
from xtr_assets.pipeline.gate.source_agrees import check
from xtr_assets.sources import csv_table, open_source
from xtr_assets_tests.pipeline.gate.conftest import Items, Plant, World
from xtr_assets_tests.workbooks import workbook


def config_of(file: Path, **fields: Any) -> SourceConfig:
    return SourceConfig.model_validate({"name": "lib", "kind": "records", "path": file, **fields})


def faults(file: Path, items: Sequence[Chunk | Quarantined], config: SourceConfig) -> list[str]:
    rows = [asdict(one) for one in items if isinstance(one, Chunk)]
    refused = {one.line for one in items if isinstance(one, Quarantined)}
    return list(record_faults(file.name, file, rows, refused, config, lambda lines: lines))


def read(config: SourceConfig) -> Items:
    return list(open_source(config).read(config.folder.name))


SAID = [
    "a",
    "b c",
    "",
    "é",
    "007",
    'say ""hi""',
    "l1\nl2",
    "l\r\nm",
    "p;q",
    "p,q",
    "t\tu",
    "\u00a0",
    "1\r2",
    "\x0c",
    "1.50",
]


def drawn(rng: random.Random) -> bytes:
    """A table as people and programs write them, and as they break them."""
    mark, end, wild = rng.choice(",;\t|"), rng.choice(["\n", "\r\n", "\r"]), rng.random() < 0.7

    def cell() -> str:
        said = rng.choice(SAID)
        if wild and rng.random() < 0.12:
            said += rng.choice(['"', "\0", "\udcfc", '""', "\r"])
        quoted = any(one in said for one in (mark, '"', "\n", "\r")) or rng.random() < 0.2
        return f'"{said}"' if quoted != (wild and rng.random() < 0.1) else said

    columns = ["_id", "text", *rng.sample(["title", "m", "", "m ", "o"], rng.randrange(3))]
    rng.shuffle(columns)
    if wild and rng.random() < 0.1:
        columns.insert(0, rng.choice(['a"b', "te,xt", "c;d", '"q"', '"e\n"', '"e']))
    lines = [*(["sep=" + mark] if rng.random() < 0.05 else []), mark.join(columns)]
    for number in range(rng.randrange(7)):
        cells = [f"i{number}" if one == "_id" and rng.random() < 0.9 else cell() for one in columns]
        cells = cells[:-1] if wild and rng.random() < 0.08 else cells
        cells = [*cells, ""] if rng.random() < 0.05 else cells
        lines.append(mark.join(cells) if rng.random() < 0.95 else rng.choice(["", mark, "  ", '""', mark * 9]))
    data = "".join(f"{line}{end}" for line in lines).encode("utf-8", "surrogateescape")
    data = b"\xef\xbb\xbf" + data if rng.random() < 0.2 else data
    return data[: rng.randrange(len(data) + 1)] if wild and rng.random() < 0.2 else data


def test_what_a_source_makes_of_strange_tables_is_what_stands_there(tmp_path: Path) -> None:
    rng, kinds = random.Random(5), set[str]()
    for _ in range(300):
        file = tmp_path / rng.choice(["a.csv", "a.tsv"])
        file.write_bytes(drawn(rng))
        metadata = rng.choice([(), (), ("m",)])
        config = config_of(file, metadata=metadata, numbers=metadata, id=rng.choice(["_id", None]))
        items = read(config)
        assert faults(file, items, config) == [], file.read_bytes()
        kinds |= {one.reason if isinstance(one, Quarantined) else "chunk" for one in items}
    assert kinds > {"chunk", "no-records", "invalid-record", "unparsable", "null-bytes", "undecodable", "truncated"}


TABLE = '_id;text;m;n\n1;"first; of\nthree\nlines";x;10\n2;two;y;7.5\n\n3;three;;03\n4;"a "bad" one";x;1\n5;five;z;\n'


def shifted(one: Chunk) -> Chunk:
    return replace(one, start_line=one.start_line + 1, end_line=one.end_line + 1)


ALTERED: dict[str, Callable[[Chunk], Chunk]] = {
    "its text is not": lambda one: replace(one, text=one.text + "!"),
    "where no record stands": shifted,
    "ends in line 2": lambda one: replace(one, end_line=one.start_line),
    "metadata": lambda one: replace(one, metadata=one.metadata.replace("10", '"10"')),
    "symbol": lambda one: replace(one, symbol=one.symbol + "0"),
}


@pytest.mark.parametrize("fault", ["", *ALTERED])
def test_a_wrong_reading_is_found(tmp_path: Path, fault: str) -> None:
    file = tmp_path / "a.csv"
    file.write_text(TABLE)
    config = config_of(file, metadata=("m", "n"), numbers=("n",))
    items = read(config)
    assert [(one.start_line, one.end_line) for one in items if isinstance(one, Chunk)] == [
        (2, 4),
        (5, 5),
        (7, 7),
        (9, 9),
    ]
    assert not faults(file, items, config)
    if fault:
        altered = [ALTERED[fault](one) if isinstance(one, Chunk) else one for one in items]
        assert any(fault in told for told in faults(file, altered, config))


def test_what_is_lost_or_refused_for_nothing_is_found(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(TABLE)
    config = config_of(file, metadata=("m", "n"), numbers=("n",))
    items = read(config)
    assert faults(file, items[1:], config) == ["1 records have no row, the first in line 2"]
    lost = [one for one in items if isinstance(one, Chunk)]
    assert faults(file, lost, config) == ["1 records have no row, the first in line 8"]
    refused = [Quarantined("lib", "a.csv", 2, "unparsable", "2 cells"), *items[1:]]
    assert faults(file, refused, config) == ["line 2 is in quarantine and can be used"]
    none: Items = [Quarantined("lib", "a.csv", 0, "no-records", "no column `_id`")]
    assert "5 records have no row, the first in line 2" in faults(file, none, config)
    unnamed = config_of(file, id=None, text="text")
    items = read(unnamed)
    assert not faults(file, items, unnamed)
    alike = [replace(one, symbol=f"{one.symbol}-2") if isinstance(one, Chunk) else one for one in items]
    assert all("chunk_id" in told for told in faults(file, alike, unnamed))


def test_a_bound_of_both_readers_is_one() -> None:
    assert table_evidence.SUFFIXES == csv_table.SUFFIXES
    assert (table_evidence.MOST_BYTES, table_evidence.MOST_HEADER_BYTES) == (
        csv_table.MOST_BYTES,
        csv_table.MOST_HEADER_BYTES,
    )


@pytest.mark.parametrize("fault", ["", "t.csv", "t.xlsx"])
def test_tables_of_a_project_are_read_a_second_time(world: World, plant: Plant, fault: str) -> None:
    world.write("papers/t.csv", "_id;text;year\n" + "".join(f"t{n};Table, {n};1990\n" for n in range(30)))
    rows = [[f"x{n}", f"Sheet, {n}", 1990] for n in range(30)]
    world.write("papers/t.xlsx", workbook({"A": [["_id", "text", "year"], *rows]}))
    world.write("papers/lacks.tsv", "query-id\tcorpus-id\tscore\n1\t2\t3\n")

    def planted(_: str, path: str, items: Items) -> Items:
        return [replace(one, text="Table") if path == fault and isinstance(one, Chunk) else one for one in items]

    plant(planted)
    found = check(world.build())
    assert found.passed == (not fault) and f"papers/{fault}" in f"{found.summary} papers/", found.details
