import contextlib
import re
import sysconfig
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtr_assets.config import discover_config, load_config, parse_config
from xtr_assets.core.errors import ConfigError

GOOD = """
name: docs
sources:
  - {name: stdlib, kind: python, path: "{stdlib}", include: ["json/**"]}
  - {name: handbook, kind: text, path: ./handbook, shards: 4}
queries: {path: ./q.jsonl, judgments: qrels.tsv}
"""


def test_relative_paths_are_taken_from_the_folder_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "xtr.yaml").write_text(GOOD)
    config = load_config(tmp_path / "xtr.yaml")
    assert config.sources[0].path == Path(sysconfig.get_paths()["stdlib"])
    assert config.sources[1].path == tmp_path / "handbook"
    assert config.warehouse == tmp_path / "warehouse"
    assert config.queries is not None
    assert (config.queries.path, config.queries.judgments) == (tmp_path / "q.jsonl", tmp_path / "qrels.tsv")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "sources: [{name: s, kind: pyton, path: x}]",
            r"`sources.0.kind` is 'pyton': use 'asset', 'code', 'config', 'git', 'python', 'records', 'text', or ",
        ),
        ("sources: [{name: s, kind: python, path: x, colour: 1}]", r"unknown field `sources.0.colour` \(value 1\)"),
        ("sources: [{name: s, kind: python}]", r"`sources.0.path` is None: it is missing; give a folder"),
        ("sources: []", r"`sources`.*at least 1"),
        (
            "sources: [{name: s, kind: text, path: x, shards: 0}]",
            r"`sources.0.shards` is 0: give 1 or more",
        ),
        ("sources: [{name: s, kind: text, path: x}, {name: s, kind: text, path: y}]", r"\['s'\] stand twice"),
        ("sources: [{name: s, kind: text, path: x}]\nencoder: {kind: bert}", r"`encoder.kind` is 'bert'.*'minilm'"),
        ("sources: [{name: s, kind: text, path: x}]\nrecall: {dense: high}", r"`recall.dense` is 'high':.*number"),
        ("- a", "must be a mapping.*found list"),
        ("a: [", "is not YAML"),
    ],
)
def test_a_wrong_value_is_told_with_its_field_and_what_is_allowed(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=told):
        parse_config(text, tmp_path)


ONE = "sources: [{name: s, kind: text, path: x}]\n"
ALIASES = "a: &a0 [1]\n" + "".join(f"k{i}: &a{i + 1} [{', '.join([f'*a{i}'] * 10)}]\n" for i in range(8))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("sources: []\n# é".encode("latin-1"), "not UTF-8: byte 0xe9 in line 2; save it as UTF-8"),
        (ONE + f"recall: {{k: {'9' * 5000}}}", r"line 2, column 13\): '999.* is no int that can be read"),
        (ONE + f"recall: {{k: 0x{'f' * 5000}}}", "`recall.k` is an integer of 20000 bits: give 1000 or less"),
        (ONE + "recall: {k: 2.5}", "`recall.k` is 2.5: give a whole number"),
        (ONE + "recall: {dense: .nan}", "`recall.dense` is nan: give a finite number"),
        (ONE + "recall: {dense: .inf}", "`recall.dense` is inf: give a finite number"),
        # In YAML a yes is true: as a number it would be 1, and every generation but one be collected.
        (ONE + "upkeep: {keep: yes}", "`upkeep.keep` is True: give a number"),
        (ONE + "gate: {shrink: off}", "`gate.shrink` is False: give a number"),
        (ONE + "encoder: {kind: hashing, dim: off}", "`encoder.dim` is False: give a number"),
        (ONE.replace("path", "max_file_bytes: on, path"), "`sources.0.max_file_bytes` is True: give a number"),
        (
            ONE.replace("path", "metadata: [a], path"),
            "source s has `metadata`, which is of records, and holds text; remove",
        ),
        (
            ONE.replace("kind: text", "kind: records").replace("path", "metadata: [a], numbers: [a, b], path"),
            "`numbers` of source s has b, and `metadata` has not; add it there",
        ),
        (
            ONE + "dense: {recipe: HNSW32, target: gpu}",
            "`dense`: recipe HNSW32 cannot be cloned to a GPU .target gpu.; use",
        ),
        (ONE.replace("name: s", "name: a...b"), "`sources.0.name` is 'a...b': no three dots follow each other"),
        (
            ONE + "encoder: {kind: endpoint, url: 'http://h:x/v1', model: m, dim: 8}",
            "`encoder.url`: give an address like",
        ),
        (ONE + "query_log: {folder: 's3://bucket/log'}", "`query_log.folder`.*of this machine. Name a folder"),
        (ONE + "name: 2001-13-45", "'2001-13-45' is no timestamp"),
        (ONE + "name: !!bool maybe", r"line 2, column 7\): 'maybe' is no bool that can be read"),
        (ONE + "name: !!int ''", "'' is no int that can be read"),
        (ONE + "name: !!float _", "'_' is no float that can be read"),
        (ONE + "name: !!timestamp soon", "'soon' is no timestamp that can be read"),
        (ONE + ONE, r"line 2, column 1\): the key 'sources' stands twice"),
        (ONE + "? [1]\n: 2", "unhashable key"),
        (ONE + "3.5: 2", "the key 3.5 is no text"),
        (ONE + f"name: {'x' * 1_000}", "`name` is 'x{59}...: give at most 40 characters"),
        (ONE + "name: Docs", "`name` is 'Docs': give lowercase letters"),
        (ONE + 'name: "\\ud800"', "`name` is '.ud800': give text"),
        ("x" * 300_000, "has 300000 bytes, at most 262144"),
        ("[" * 100_000, "nested deeper than 50 levels"),
        ("a: " + "{a: " * 60 + "1" + "}" * 60, "nested deeper than 50 levels"),
        ("a: &a [*a]", "line 1 holds an alias of itself"),
        (ALIASES, "more than 100000 values"),
        ("a: \x00", r"character 3\): '.x00' may not stand in YAML|0 may not stand in YAML"),
        ("!!python/object:os.system x", "could not determine a constructor"),
        ("", "must be a mapping.*found NoneType"),
        (
            "sources: [{name: s, kind: text, path: ~nosuchuser/x}]",
            "`sources.0.path` is '~nosuchuser/x': there is no such",
        ),
        ("sources: [{name: s, kind: text, path: ''}]", "`sources.0.path` is '': a path is neither empty"),
        ('sources: [{name: s, kind: text, path: "a\\0b"}]', "nor holds a NUL"),
        (ONE + "warehouse: ~nosuchuser", "`warehouse` is '~nosuchuser'"),
        (
            ONE + "warehouse: $HOME/w",
            r"`warehouse` is '\$HOME/w': variables of the environment are not filled in; write",
        ),
        (
            "sources: [{name: s, kind: text, path: '${DOCS}'}]",
            "`sources.0.path` is .* are not filled in; write the folder",
        ),
        (
            "sources: [{name: s, kind: text, path: 'C:\\Users\\me'}]",
            "a path of Windows; inside WSL the drive C: is /mnt/c",
        ),
        (ONE + "x-common: {a: 1}", r"unknown field `x-common` \(value {'a': 1}\); remove it"),
        ("sources: [{name: s, kind: text, path: x, my-key: 1}]", "unknown field `sources.0.my-key`"),
        ("sources: []", "xtr.yaml: `sources` needs at least 1 source$"),
        (
            ONE.replace("[{", "[{name: s, kind: text, path: y}, {"),
            r"xtr.yaml: source names must differ, \['s'\] stand twice; rename",
        ),
        (ONE + "queries: {path: ~nosuchuser}", "`queries.path` is '~nosuchuser'"),
        (ONE + "encoder: {weights: 3}", "`encoder.weights` is 3: use 'package' or 'hub', or give a path"),
        (ONE + "dense: {recipe: 'IVF9,Flut'}", "`dense.recipe` is 'IVF9,Flut': recipe 'IVF9,Flut' is unknown; allowed"),
        (ONE + f"dense: {{recipe: 'IVF{'9' * 5000},Flat'}}", "`dense.recipe` is 'IVF999.*is unknown"),
        (ONE + "dense: {recipe: 'HNSW500'}", "asks for 500 links"),
        (ONE + "queries: [1]", "`queries`: give a mapping of fields"),
    ],
)
def test_what_a_stranger_wrote_is_refused_in_our_words(data: str | bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / "xtr.yaml").write_bytes(data.encode() if isinstance(data, str) else data)
    with pytest.raises(ConfigError, match=told) as raised:
        load_config(tmp_path / "xtr.yaml")
    message = str(raised.value)
    assert len(message) < 600
    assert not re.search(r"Input should|Value error|pydantic|validation error", message)


def test_in_a_part_of_a_project_the_demo_is_not_meant(tmp_path: Path) -> None:
    """Who built in a folder of his project got an index over the standard library."""
    (tmp_path / "docs" / "deep").mkdir(parents=True)
    assert discover_config(folder=tmp_path / "docs").name == "stdlib"
    (tmp_path / "xtr.yaml").write_text(ONE)
    with pytest.raises(ConfigError, match=r"one above it; go there, or say --config \.\./\.\./xtr.yaml"):
        discover_config(folder=tmp_path / "docs" / "deep")
    assert discover_config(tmp_path / "xtr.yaml", tmp_path / "docs").sources[0].name == "s"


def test_a_secret_that_is_wrong_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"`upkeep.failure_webhook`: give an http address") as raised:
        parse_config(ONE + "upkeep: {failure_webhook: 'ftp://SECRET'}", tmp_path)
    assert "SECRET" not in str(raised.value)
    config = parse_config(ONE + "upkeep: {failure_webhook: 'http://host/SECRET'}", tmp_path)
    assert "SECRET" not in repr(config)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_encodings_of_common_editors_are_read(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "xtr.yaml").write_bytes(f"# é\r\n{ONE}".replace("\n", "\r\n").encode(encoding))
    assert load_config(tmp_path / "xtr.yaml").sources[0].name == "s"


def test_aliases_and_merges_that_stay_small_are_read(tmp_path: Path) -> None:
    text = "sources: [&a {name: s, kind: text, path: x}, {<<: *a, name: t}]"
    assert [source.name for source in parse_config(text, tmp_path).sources] == ["s", "t"]


@settings(max_examples=200)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))))
def test_any_bytes_are_a_configuration_or_a_config_error(data: bytes) -> None:
    with contextlib.suppress(ConfigError):
        parse_config(data, Path("folder"))


def test_one_wrong_source_is_not_reported_as_no_source(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_config("sources: [{name: s, kind: pyton, path: x}]", tmp_path)
    assert "at least" not in str(raised.value)


def test_a_missing_file_names_the_command_that_writes_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="xtr-assets init"):
        load_config(tmp_path / "xtr.yaml")


@pytest.mark.parametrize(
    ("field", "address"),
    [
        ("path", "https://me:geheim@host/a.git"),
        ("path", "ssh://me:geheim@host/a.git"),
        ("path", f"s3://key:geheim{'x' * 90}@bucket/a"),
        ("path", "https://me:one@geheim@host/a.git"),
        ("path", "ssh://me@here.org:geheim@host/a.git"),
        ("ref", "https://geheim@host/~"),
        ("pth", "https://geheim@host/a"),
    ],
)
def test_no_message_shows_the_secret_of_an_address(field: str, address: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_config(f"sources: [{{name: a, kind: git, {field}: {address!r}}}]", Path())
    assert "geheim" not in str(refused.value) and "://...@" in str(refused.value)


def test_a_long_value_is_refused_at_once() -> None:
    """The schemes of addresses were looked for in each letter anew: of 256 KB minutes."""
    begun = time.thread_time()
    with pytest.raises(ConfigError, match="give at most 40 characters"):
        parse_config(f"{ONE}name: {'x' * 200_000}", Path())
    assert time.thread_time() - begun < 2
