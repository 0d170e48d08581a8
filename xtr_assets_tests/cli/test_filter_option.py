from typing import Any

import pytest
import typer

from xtr_assets.cli.filter_option import parse_where


@pytest.mark.parametrize(
    ("conditions", "where"),
    [
        ([], None),
        (["source=stdlib"], {"source": "stdlib"}),
        (["path=glob:asyncio/*"], {"path": {"glob": "asyncio/*"}}),
        (["year=2020", "draft=false"], {"year": 2020, "draft": False}),
        (['year="2020"'], {"year": "2020"}),
        (['kind=["function", "method"]'], {"kind": ["function", "method"]}),
        (['start_line={"gte": 10}'], {"start_line": {"gte": 10}}),
        (['{"source": "a", "year": {"gt": 3}}', "kind=class"], {"source": "a", "year": {"gt": 3}, "kind": "class"}),
        (["symbol=a=b"], {"symbol": "a=b"}),
        (["year=gte:2020", "symbol=prefix:_"], {"year": {"gte": 2020}, "symbol": {"prefix": "_"}}),
        (["symbol=std::vector", "link=doi:10.1"], {"symbol": "std::vector", "link": "doi:10.1"}),
        (['path="blob:x"'], {"path": "blob:x"}),
        # Of columns of text no word is a number, nor a constant of JSON.
        (["path=2024", "symbol=Infinity", "kind=gt:1"], {"path": "2024", "symbol": "Infinity", "kind": {"gt": "1"}}),
    ],
)
def test_conditions_become_a_filter(conditions: list[str], where: dict[str, Any] | None) -> None:
    assert parse_where(conditions) == where


@pytest.mark.parametrize("condition", ["source", "=stdlib", '{"source": '])
def test_a_condition_that_says_nothing_is_wrong_use(condition: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"is not (key=value|JSON)"):
        parse_where([condition])


def test_an_operator_that_there_is_not_is_not_taken_for_text() -> None:
    with pytest.raises(
        typer.BadParameter, match=r"blob: of path='blob:x' is no operator; use one of glob, prefix.*quote"
    ):
        parse_where(["path=blob:x"])


def test_a_column_that_stands_twice_is_wrong_use() -> None:
    with pytest.raises(typer.BadParameter, match="'source' stands twice"):
        parse_where(["source=a", "source=b"])
