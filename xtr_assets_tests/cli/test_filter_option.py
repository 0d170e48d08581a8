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
    ],
)
def test_conditions_become_a_filter(conditions: list[str], where: dict[str, Any] | None) -> None:
    assert parse_where(conditions) == where


@pytest.mark.parametrize("condition", ["source", "=stdlib", '{"source": '])
def test_a_condition_that_says_nothing_is_wrong_use(condition: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"is not (key=value|JSON)"):
        parse_where([condition])


def test_a_column_that_stands_twice_is_wrong_use() -> None:
    with pytest.raises(typer.BadParameter, match="'source' stands twice"):
        parse_where(["source=a", "source=b"])
