"""The alert rules and the dashboard of deploy/ ask for metrics, labels and values that there are."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from xtr_assets.pipeline.gate.drift import LIMITS
from xtr_assets.telemetry import metrics
from xtr_assets.telemetry.open_indexes import LABELS, LAST, PREFIX, SIZES

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = sorted(DEPLOY.glob("*.rules.yaml"))
DASHBOARDS = sorted(DEPLOY.glob("*dashboard.json"))
PROMTOOL = shutil.which("promtool")

SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("_total", "_created"), "gauge": ("",)}
# What Prometheus adds, and `le` of every histogram.
ADDED = {"instance", "job", "le"}
# Values that a label may have, as docs/metrics.md lists them; of others they depend on the data.
VALUES = {
    ("xtr_assets_builds_total", "outcome"): {"published", "refused", "failed", "unchanged"},
    ("xtr_assets_builds_created", "outcome"): {"published", "refused", "failed", "unchanged"},
    ("xtr_assets_checks_total", "passed"): {"true", "false"},
    ("xtr_assets_checks_created", "passed"): {"true", "false"},
    ("xtr_assets_server_swaps_total", "outcome"): {"served", "failed"},
    ("xtr_assets_drift", "figure"): set(LIMITS),
    ("xtr_assets_live_recall_samples_total", "outcome"): {"measured", "failed"},
}


def known() -> dict[str, set[str]]:
    """Every series that this package exports, with its labels."""
    found = {f"{PREFIX}_{name}": set(LABELS) for name in SIZES}
    found |= {f"{PREFIX}_last_{name}": set(LABELS) for name in LAST}
    found |= {family.name: {"warehouse"} for family in metrics.FOLLOWERS.describe()}
    for collector in vars(metrics).values():
        kind, name = getattr(collector, "_type", None), getattr(collector, "_name", None)
        if kind in SUFFIXES and name:
            found |= {name + suffix: set(collector._labelnames) for suffix in SUFFIXES[kind]}
    return found


def expressions() -> Iterator[tuple[str, str]]:
    for file in RULES:
        for group in yaml.safe_load(file.read_text("utf-8"))["groups"]:
            for rule in group["rules"]:
                yield f"{file.name} {rule.get('alert') or rule['record']}", rule["expr"]
    for file in DASHBOARDS:
        for panel in json.loads(file.read_text("utf-8"))["panels"]:
            for target in panel["targets"]:
                yield f"{file.name} {panel['title']} {target['refId']}", target["expr"]


def faults(expression: str, series: dict[str, set[str]]) -> list[str]:
    """What an expression asks for that nothing exports."""
    found, all_labels = [], set(ADDED)
    used = re.findall(r"(xtr_assets_\w+)(?:{([^}]*)})?", expression)
    if not used:
        found.append("no metric of ours")
    for name, selector in used:
        if name not in series:
            found.append(f"no metric {name}")
            continue
        all_labels |= series[name]
        for label, sign, value in re.findall(r'(\w+)(=~|!~|!=|=)"([^"]*)"', selector):
            if label not in series[name] | ADDED:
                found.append(f"{name} has no label {label}")
            values = VALUES.get((name, label))
            if sign in ("=", "!=") and values is not None and value not in values:
                found.append(f"{name} never has {label}={value}")
    for grouped in re.findall(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)", expression):
        found += [f"no label {one}" for one in re.split(r"[,\s]+", grouped.strip()) if one and one not in all_labels]
    return found


@pytest.mark.parametrize(("place", "expression"), list(expressions()), ids=[place for place, _ in expressions()])
def test_an_expression_asks_for_what_is_exported(place: str, expression: str) -> None:
    assert faults(expression, known()) == []


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("rate(xtr_assets_search_secondz_bucket[5m])", "no metric xtr_assets_search_secondz_bucket"),
        ("rate(xtr_assets_search_seconds[5m])", "no metric xtr_assets_search_seconds"),
        ('xtr_assets_drift{figur="growth"}', "has no label figur"),
        ('xtr_assets_drift{figure="grow"}', "never has figure=grow"),
        ("sum by (warehose) (xtr_assets_open_generation)", "no label warehose"),
        ("vector(1)", "no metric of ours"),
    ],
)
def test_what_is_wrong_in_an_expression_is_found(expression: str, told: str) -> None:
    assert any(told in fault for fault in faults(expression, known()))


def test_the_alert_of_drift_has_the_limits_at_which_a_retrain_is_asked_for() -> None:
    (expression,) = (one for place, one in expressions() if place.endswith(" XtrAssetsDrift"))
    written = re.findall(r'figure="(\w+)"} > ([\d.]+)', expression)
    assert {name: float(limit) for name, limit in written} == LIMITS


def test_every_alert_says_what_is_wrong_and_what_to_do() -> None:
    for file in RULES:
        for group in yaml.safe_load(file.read_text("utf-8"))["groups"]:
            for rule in group["rules"]:
                assert rule["labels"]["severity"] in ("info", "warning", "critical"), rule
                assert rule["annotations"]["summary"], rule


def test_what_a_process_counted_that_ended_is_asked_for_by_when_it_began(tmp_path: Path) -> None:
    """One run writes 1 into its file, the next one 1 again: such a counter never increases."""
    counted = {"xtr_assets_builds", "xtr_assets_publications", "xtr_assets_checks"}
    asked: dict[str, list[tuple[str, str]]] = {}
    for place, expression in expressions():
        for name in re.findall(r"increase\((\w+)_total", expression):
            asked.setdefault(name, []).append((place, expression))
    assert counted <= asked.keys()
    for name in counted:
        assert [place for place, one in asked[name] if f"time() - {name}_created" not in one] == []
    metrics.BUILDS.labels("unchanged").inc(0)
    metrics.write_file(tmp_path / "a.prom")
    assert 'xtr_assets_builds_created{outcome="unchanged"} ' in (tmp_path / "a.prom").read_text("utf-8")


def test_what_is_added_to_may_have_no_series() -> None:
    """Nothing was ever answered: the sum of queries was no number, and the alert of searches that raise was silent."""
    added = [one for _, one in expressions() if re.search(r"\+\s*sum\(", one)]
    assert added and all(re.search(r"or vector\(0\)\)\s*\+\s*sum\(", one) for one in added)


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.name)
def test_a_dashboard_is_whole(file: Path) -> None:
    board: dict[str, Any] = json.loads(file.read_text("utf-8"))
    panels = board["panels"]
    assert len({one["id"] for one in panels}) == len({one["title"] for one in panels}) == len(panels)
    cells = [
        (x, y)
        for one in panels
        for x in range(one["gridPos"]["x"], one["gridPos"]["x"] + one["gridPos"]["w"])
        for y in range(one["gridPos"]["y"], one["gridPos"]["y"] + one["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells) and max(x for x, _ in cells) < 24
    variables = {one["name"] for one in board["templating"]["list"]}
    assert set(re.findall(r"\$\{?(\w+)", json.dumps(board))) <= variables | {"__rate_interval", "__all"}


@pytest.mark.skipif(PROMTOOL is None, reason="no promtool here (Debian's package `prometheus` has it)")
def test_promtool_takes_every_expression(tmp_path: Path) -> None:
    filled = [expression.replace("$__rate_interval", "5m") for _, expression in expressions()]
    rules = [{"record": f"a:{number}", "expr": expression} for number, expression in enumerate(filled)]
    (tmp_path / "all.yaml").write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}))
    done = subprocess.run(
        [str(PROMTOOL), "check", "rules", *map(str, RULES), str(tmp_path / "all.yaml")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(PROMTOOL is None, reason="no promtool here (Debian's package `prometheus` has it)")
def test_alerts_fire_when_they_should_and_not_before() -> None:
    stories = Path(__file__).with_name("alerts.test.yaml")
    done = subprocess.run([str(PROMTOOL), "test", "rules", str(stories)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
