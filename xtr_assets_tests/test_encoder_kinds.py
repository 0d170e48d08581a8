"""The kinds of encoders in a configuration: one clear sentence for each fault, none that tells a secret."""

import math
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from xtr_assets.config import (
    EncoderPair,
    EndpointConfig,
    HashingConfig,
    LateInteractionConfig,
    MiniLmConfig,
    PythonConfig,
    SentenceTransformersConfig,
    StaticConfig,
    configured_legs,
    parse_config,
    parse_encoder,
)
from xtr_assets.core.errors import ConfigError
from xtr_assets.pipeline.plan.index_settings import encoder_settings

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SECRET = "sk-12345"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"kind": "minilm", "dim": 3}, r"kind 'minilm' has no field `dim`; its fields are kind, weights, head"),
        ({"dim": 3}, "kind 'minilm' has no field `dim`"),
        ({"kind": "bert"}, r"`encoder.kind` is 'bert': use 'endpoint'.*'xtr', or 'python:package.module:factory'"),
        ({"kind": "bert", "model": "x"}, r"`encoder.kind` is 'bert'"),
        ({"kind": 3}, "`encoder.kind` is 3: give text"),
        ({"kind": "python:a b:c"}, "write it as python:package.module:factory"),
        ({"kind": "python:a.b"}, "write it as python:package.module:factory"),
        ({"kind": "python:a.b:c", "dim": 1}, r"kind 'python:a.b:c' has no field `dim`; its fields are kind, settings"),
        ({"kind": "python:a.b:c", "legs": []}, r"give \[dense, tokens\]"),
        ({"kind": "hashing", "dim": 0, "token_dim": 0}, "both 0, which leaves nothing to search"),
        ({"kind": "hashing", "dim": 4}, "`encoder.dim` is 4: use 0, or give 8 or more"),
        ({"kind": "static"}, "field `encoder.model` is missing"),
        ({"kind": "sentence-transformers", "model": "a/b", "revision": "main"}, "a commit in full, 40 hex digits"),
        ({"kind": "late-interaction", "model": "x", "expansion": "maybe"}, "`encoder.expansion` is 'maybe'"),
        ({"dense": {"kind": "xtr", "model": "x"}}, "`dense` is of kind 'xtr' without dense vectors.*use 'minilm'"),
        ({"tokens": {"kind": "endpoint", "url": "http://h", "model": "m", "dim": 8}}, "without tokens vectors"),
        ({"dense": {"kind": "static"}}, "field `encoder.dense.model` is missing"),
        ({"dense": {"kind": "hashing", "token": 1}}, "`encoder.dense`: kind 'hashing' has no field `token`"),
        ({"dense": {}, "late": {}}, "an encoder of two parts has no field `late`; its fields are dense, tokens"),
        ({"dense": None}, "give `dense`, `tokens` or both"),
        ({"dense": {"dense": {}}}, "kind 'minilm' has no field `dense`"),
        ({"kind": "minilm", "tokens": {}}, "kind 'minilm' has no field `tokens`"),
        ("minilm", "`encoder` is 'minilm': give a mapping of fields"),
    ],
)
def test_a_fault_is_one_sentence(value: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        parse_encoder(value)


@pytest.mark.parametrize("wrap", [lambda one: one, lambda one: {"dense": one}])
@pytest.mark.parametrize(
    "change",
    [{"key": SECRET}, {"url": f"https://u:{SECRET}@h/v1"}, {"url": f"https://h?{SECRET}"}, {"api_key": SECRET}],
)
def test_a_secret_in_the_wrong_place_is_in_no_message(change: dict[str, str], wrap: Any) -> None:
    value = {"kind": "endpoint", "url": "https://h/v1", "model": "m", "dim": 8, **change}
    with pytest.raises(ConfigError, match="encoder") as caught:
        parse_encoder(wrap(value))
    assert SECRET not in str(caught.value)


def test_relative_places_are_taken_from_the_configuration_and_names_of_the_hub_stay(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "e5").mkdir()
    text = "sources: [{name: s, kind: text, path: x}]\nencoder: {dense: %s, tokens: {kind: static, model: table}}"
    for given, expected in (
        ("{kind: sentence-transformers, model: models/e5}", str(tmp_path / "models/e5")),
        ("{kind: sentence-transformers, model: ./e5}", str(tmp_path / "e5")),
        (f"{{kind: sentence-transformers, model: owner/e5, revision: {COMMIT}}}", "owner/e5"),
    ):
        encoder = parse_config(text % given, tmp_path).encoder
        assert isinstance(encoder, EncoderPair) and isinstance(encoder.dense, SentenceTransformersConfig)
        assert encoder.dense.model == expected
        assert encoder.tokens == StaticConfig(model=tmp_path / "table")


def test_the_legs_of_a_kind_are_told_without_opening_it() -> None:
    assert configured_legs(MiniLmConfig()) == {"dense", "tokens"}
    assert configured_legs(HashingConfig(dim=0)) == {"tokens"}
    assert configured_legs(LateInteractionConfig(model="x")) == {"tokens"}
    assert configured_legs(EndpointConfig(url="http://h", model="m", dim=8)) == {"dense"}
    assert configured_legs(EncoderPair(dense=MiniLmConfig())) == {"dense"}
    assert configured_legs(parse_encoder({"kind": "python:a:b", "legs": ["tokens"]})) == {"tokens"}


def test_settings_are_noted_as_releases_with_two_kinds_noted_them() -> None:
    shared = {"kind", "weights", "head", "max_tokens", "keep_punctuation", "precision", "dim", "token_dim"}
    assert set(encoder_settings(MiniLmConfig())) == set(encoder_settings(HashingConfig())) == shared
    assert encoder_settings(MiniLmConfig())["dim"] == 64
    assert encoder_settings(HashingConfig(dim=16))["dim"] == 16


def test_what_is_a_hosts_own_business_is_no_reason_to_build(tmp_path: Path) -> None:
    """Two hosts that have the weights in two places built in turns: each took the other's generation for one of other
    settings."""
    plain = encoder_settings(MiniLmConfig())
    assert encoder_settings(MiniLmConfig(weights=tmp_path, precision="fp32")) == plain
    assert encoder_settings(MiniLmConfig(precision="int8")) != plain
    late = [encoder_settings(LateInteractionConfig(model="a/b", precision=one)) for one in ("auto", "bf16")]
    assert late[0] == late[1]


def test_files_that_changed_under_a_name_that_stays_are_other_settings(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"one")
    config = StaticConfig(model=tmp_path)
    first = encoder_settings(config)
    assert encoder_settings(config) == first
    (tmp_path / "README.md").write_text("a card")
    assert encoder_settings(config) == first
    (tmp_path / "model.safetensors").write_bytes(b"two!")
    assert encoder_settings(config) != first
    assert encoder_settings(EncoderPair(dense=config))["dense"] == encoder_settings(config)


def test_settings_of_an_own_encoder_are_noted_in_one_order() -> None:
    """Of a set of YAML each process has its own: every look found other settings than those of what serves, and a
    draft that one process began no other published."""
    first, second, other = ({"kind": "python:a.b:c", "settings": {"n": [held]}} for held in ({0, 8}, {8, 0}, {8}))
    assert str(first) != str(second)
    noted = [encoder_settings(parse_encoder(one)) for one in (first, second, other)]
    assert noted[0] == noted[1] != noted[2]


def test_the_factory_of_an_own_encoder_is_called_alike_everywhere() -> None:
    """The shell called it with what YAML makes, a run of Dagster and a searcher with what JSON holds of that: two
    fingerprints of one configuration, where it tells a date from a text."""
    here = parse_encoder(
        {"kind": "python:a.b:c", "settings": {"since": date(2024, 1, 1), "words": {"b", "a"}, "n": None}}
    )
    assert isinstance(here, PythonConfig) and here.settings == {"since": "2024-01-01", "words": ["a", "b"], "n": None}
    assert parse_encoder(here.model_dump(mode="json")) == here
    for held in (math.nan, math.inf, b"\xff"):
        with pytest.raises(ConfigError, match=r"`encoder\.settings`: they hold what JSON has not; give"):
            parse_encoder({"kind": "python:a.b:c", "settings": {"n": [held]}})
