import base64
from typing import Any
from xml.etree import ElementTree

import pytest

from xtr_assets.core.recall import RecallReport
from xtr_assets.defs.plots import HEIGHT, WIDTH, recall_picture

SVG = "{http://www.w3.org/2000/svg}"
PROBED = ((4, 0.7, 0.1), (8, 0.93, 0.2), (16, 0.99, 0.4))


def report(nprobe_curve: tuple[tuple[int, float, float], ...], curve: tuple[tuple[int, float], ...]) -> dict[str, Any]:
    return RecallReport(
        k=10, queries=200, mean=0.97, lower_bound=0.96, confidence=0.95, curve=curve, nprobe_curve=nprobe_curve
    ).as_json()


def drawn(markdown: str) -> ElementTree.Element:
    assert markdown.startswith("![recall@10 0.9700](data:image/svg+xml;base64,")
    return ElementTree.fromstring(base64.b64decode(markdown.partition("base64,")[2][:-1]))


@pytest.mark.parametrize(("probed", "panels"), [((), 1), (PROBED, 2)])
def test_each_curve_is_a_panel_with_a_dot_a_point(probed: tuple[tuple[int, float, float], ...], panels: int) -> None:
    value = recall_picture(report(probed, ((1, 1.0), (5, 0.98), (10, 0.97))), 0.95).value
    assert value is not None
    root = drawn(value)
    assert (root.get("width"), root.get("height")) == (str(WIDTH * panels), str(HEIGHT))
    assert len(root.findall(f".//{SVG}polyline")) == panels
    assert len(root.findall(f".//{SVG}circle")) == 3 + len(probed)


def test_a_better_recall_lies_higher_and_the_threshold_between() -> None:
    value = recall_picture(report((), ((1, 1.0), (10, 0.9))), 0.95).value
    assert value is not None
    root = drawn(value)
    best, worst = (float(one.get("cy", "nan")) for one in root.findall(f".//{SVG}circle"))
    path = root.find(f".//{SVG}path")
    assert path is not None
    threshold = float(path.get("d", "").partition("H")[0].split()[1])
    assert 0 < best < threshold < worst < HEIGHT
    assert threshold == pytest.approx((best + worst) / 2, abs=0.2)


def test_a_single_point_and_a_recall_of_zero_are_drawn_inside() -> None:
    value = recall_picture(report((), ((1, 0.0),)), 1.2).value
    assert value is not None
    root = drawn(value)
    dot = root.find(f".//{SVG}circle")
    assert dot is not None
    assert 0 < float(dot.get("cx", "nan")) < WIDTH and 0 < float(dot.get("cy", "nan")) < HEIGHT
