"""A deprecated name warns where it is called, and goes when it was said to."""

import ast
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

import xtr_assets
from xtr_assets.core.deprecation import XtrAssetsDeprecation, deprecated

PACKAGE = Path(xtr_assets.__file__).parent


def old() -> int:
    deprecated("old()", "0.2.0", "new()", "0.10.0")
    return 7


def test_it_warns_with_the_remedy_at_the_callers_line() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert old() == 7
        line = old.__code__.co_firstlineno
    assert [str(one.message) for one in caught] == [
        "old() is deprecated since xtr-assets 0.2.0 and goes in 0.10.0; use new()"
    ]
    assert caught[0].category is xtr_assets.XtrAssetsDeprecation is XtrAssetsDeprecation
    assert caught[0].filename == __file__ and caught[0].lineno > line + 2


def test_here_it_is_an_error_as_every_warning_is() -> None:
    with pytest.raises(DeprecationWarning, match=r"use new\(\)"):
        old()


@pytest.mark.parametrize(("since", "gone"), [("0.2.0", "0.2.0"), ("0.10.0", "0.9.0"), ("0.2", "1.0.0"), ("0.2.0", "2")])
def test_a_release_that_cannot_be_is_refused(since: str, gone: str) -> None:
    with pytest.raises(ValueError, match=r"gone in|is no release"):
        deprecated("old", since, "new", gone)


def overdue(source: str, release: str) -> Iterator[str]:
    """Names whose release has come, in calls of `deprecated`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "deprecated":
            said = dict(zip(("name", "since", "instead", "gone_in"), node.args, strict=False))
            said |= {one.arg: one.value for one in node.keywords if one.arg}
            name, gone = (str(ast.literal_eval(said[what])) for what in ("name", "gone_in"))
            if tuple(map(int, gone.split("."))) <= tuple(map(int, release.split("."))):
                yield name


def test_nothing_outlives_its_release() -> None:
    found = {path.name: list(overdue(path.read_text("utf-8"), version("xtr-assets"))) for path in PACKAGE.rglob("*.py")}
    assert {name: late for name, late in found.items() if late} == {}, "take them out: this is the release they go in"
    assert list(overdue('deprecated("f", "0.1.0", "g", gone_in="0.9.0")', "0.10.0")) == ["f"]
    assert not list(overdue('deprecated("f", "0.1.0", "g", "0.10.1")', "0.10.0"))
