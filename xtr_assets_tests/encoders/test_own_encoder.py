"""Encoders of somebody's own: by the name of a factory, or of an entry point."""

from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import pytest

from xtr_assets.config import ENCODER_GROUP, PythonConfig, parse_encoder
from xtr_assets.core.errors import ConfigError, ProviderError
from xtr_assets.core.types import Leg
from xtr_assets.encoders import open_encoder, open_fresh
from xtr_assets.encoders.encoder_record import recorded_config
from xtr_assets.encoders.hashing import Hashing
from xtr_assets.testing import check_encoder

HERE = "python:xtr_assets_tests.encoders.test_own_encoder"
NO_FACTORY = 3


class Own(Hashing):
    """An encoder of somebody's own, with a setting."""

    def __init__(self, width: int = 16) -> None:
        super().__init__(width, 8)

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "kind": "what it likes"}


class Nested:
    make = Own


def incomplete() -> object:
    return object()


def dense_alone() -> Hashing:
    return Hashing(16, 0)


def test_a_factory_is_called_with_its_settings_and_passes_the_kit() -> None:
    config = parse_encoder({"kind": f"{HERE}:Own", "settings": {"width": 24}})
    encoder = open_encoder(config)
    assert (encoder.dim, encoder.token_dim) == (24, 8)
    check_encoder(encoder, lambda: open_fresh(config))
    again = recorded_config(encoder.describe())
    assert again == config
    assert open_fresh(parse_encoder({"kind": f"{HERE}:Nested.make"})).dim == 16


@pytest.mark.parametrize(
    ("kind", "settings", "legs", "told"),
    [
        ("python:nowhere.at_all:make", {}, ("dense", "tokens"), "cannot be imported"),
        (f"{HERE}:missing", {}, ("dense", "tokens"), "cannot be imported.*missing"),
        (f"{HERE}:NO_FACTORY", {}, ("dense", "tokens"), "is a int, no factory"),
        (f"{HERE}:Own", {"widht": 3}, ("dense", "tokens"), "failed with its settings.*widht"),
        (f"{HERE}:incomplete", {}, ("dense", "tokens"), "gave a object without name, legs.*check_encoder"),
        (f"{HERE}:dense_alone", {}, ("dense", "tokens"), r"gives \['dense'\].*legs: \[dense\]"),
        (f"{HERE}:Own", {}, ("dense",), r"`encoder.legs` is \['dense'\]"),
    ],
)
def test_what_is_wrong_with_a_factory_is_said(
    kind: str, settings: dict[str, Any], legs: tuple[Leg, ...], told: str
) -> None:
    with pytest.raises((ConfigError, ProviderError), match=told):
        open_fresh(PythonConfig(kind=kind, settings=settings, legs=legs))


def test_an_entry_point_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    value = f"{HERE.removeprefix('python:')}:Own"
    known = EntryPoints([EntryPoint("acme", value, ENCODER_GROUP)])
    monkeypatch.setattr("xtr_assets.core.factory_name.entry_points", known.select)
    config = parse_encoder({"kind": "acme", "settings": {"width": 32}})
    assert open_fresh(config).dim == 32
    with pytest.raises(ConfigError, match=r"`encoder.kind` is 'acne': use 'acme', 'endpoint'"):
        parse_encoder({"kind": "acne"})
    monkeypatch.setattr("xtr_assets.core.factory_name.entry_points", EntryPoints([]).select)
    with pytest.raises(ProviderError, match="no installed package brings the encoder 'acme'"):
        open_fresh(config)
