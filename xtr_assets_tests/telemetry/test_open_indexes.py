"""Open indexes are shown while they are open, each metric once, whatever was opened and closed."""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from xtr_assets.telemetry.open_indexes import OpenIndexes, Shown


def samples(indexes: OpenIndexes) -> dict[tuple[str, str, str], float]:
    registry = CollectorRegistry()
    registry.register(indexes)
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {(s.name, s.labels["warehouse"], s.labels["index"]): s.value for family in families for s in family.samples}


def shown(rows: int, **last: float) -> Shown:
    return Shown({"recipe": "Flat"}, {"rows": rows, "unknown": 3}, last)


def test_only_what_an_index_says_is_shown() -> None:
    indexes = OpenIndexes()
    indexes.add("w", "dense", lambda: shown(5))
    indexes.add("w", "xtr", lambda: shown(6, k=10, kept=0.25))
    assert samples(indexes) == {
        ("xtr_assets_index_info", "w", "dense"): 1,
        ("xtr_assets_index_info", "w", "xtr"): 1,
        ("xtr_assets_index_rows", "w", "dense"): 5,
        ("xtr_assets_index_rows", "w", "xtr"): 6,
        ("xtr_assets_index_last_k", "w", "xtr"): 10,
        ("xtr_assets_index_last_kept", "w", "xtr"): 0.25,
    }


def test_a_later_opening_replaces_and_an_earlier_closing_leaves_it() -> None:
    indexes = OpenIndexes()
    close_first = indexes.add("w", "dense", lambda: shown(1))
    close_second = indexes.add("w", "dense", lambda: shown(2))
    close_first()
    assert samples(indexes)[("xtr_assets_index_rows", "w", "dense")] == 2
    close_second()
    close_second()
    assert samples(indexes) == {}


def test_an_index_that_is_gone_is_not_shown() -> None:
    indexes = OpenIndexes()
    indexes.add("w", "dense", lambda: None)
    assert samples(indexes) == {}
