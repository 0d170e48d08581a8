"""Pictures that stand in the UI's tables: readable, inside their frame, and short enough to be shown there."""

from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import dagster as dg
import numpy as np
import pytest

from xtr_assets.core.recall import RecallReport
from xtr_assets.core.significance import Interval
from xtr_assets.defs.leg_plots import legs_picture
from xtr_assets.defs.list_plots import list_sizes_picture
from xtr_assets.defs.plots import (
    BOTTOM,
    HEIGHT,
    INLINE_CHARACTERS,
    LEFT,
    MOST_STEPS,
    RIGHT,
    TOP,
    WIDTH,
    Curve,
    picture,
    probes_picture,
    recall_pictures,
    tuning_picture,
)
from xtr_assets.pipeline.quality.evaluation import BM25, LEGS, MAIN

SVG = "{http://www.w3.org/2000/svg}"
PROBED = ((4, 0.7, 0.1), (8, 0.93, 0.2), (16, 0.97, 0.4), (32, 0.99, 0.8))
CURVE = ((1, 1.0), (5, 0.98), (10, 0.97))


def report(
    nprobe_curve: tuple[tuple[int, float, float], ...], curve: tuple[tuple[int, float], ...], k: int = 10
) -> dict[str, Any]:
    made = RecallReport(
        k=k, queries=200, mean=0.97, lower_bound=0.96, confidence=0.95, curve=curve, nprobe_curve=nprobe_curve
    )
    return {**made.as_json(), "nprobe": 16 if nprobe_curve else None}


def drawn(one: dg.MarkdownMetadataValue, called: str = "recall@") -> ElementTree.Element:
    assert one.value is not None
    head, _, rest = one.value.partition("](<data:image/svg+xml,")
    assert head.startswith(f"![{called}") and rest.endswith(">)")
    inside = rest[:-2].replace("\\<", "\0").replace("\\>", "\1")
    # What would end the address early, for Markdown or for the browser.
    assert not set(inside) & set('<>#\n"\\')
    return ElementTree.fromstring(unquote(inside.replace("\0", "<").replace("\1", ">")))


def path(root: ElementTree.Element, name: str) -> list[float]:
    """Numbers of the path with this id."""
    found = root.find(f".//{SVG}path[@id='{name}']")
    assert found is not None, name
    cleaned = "".join(one if one.isdigit() or one in ".-" else " " for one in found.get("d", ""))
    return [float(one) for one in cleaned.split()]


def words(root: ElementTree.Element) -> list[str]:
    return [one.text or "" for one in root.findall(f".//{SVG}text")]


def assert_inside(root: ElementTree.Element) -> None:
    numbers = path(root, "d")
    numbers = [one for i, one in enumerate(numbers) if i % 3 != 2]
    for at, height in zip(numbers[::2], numbers[1::2], strict=True):
        assert LEFT <= at <= RIGHT and TOP <= height <= BOTTOM
    for text in root.findall(f".//{SVG}text"):
        # No word is cut off: a character is some 6 pixels wide.
        left, right = float(text.get("x", "nan")), float(text.get("x", "nan")) + 6 * len(text.text or "")
        assert 0 < left < right <= WIDTH and 0 < float(text.get("y", "nan")) < HEIGHT
    assert TOP <= path(root, "t")[1] <= BOTTOM


def test_recall_over_nprobe_comes_first_and_says_where_the_profile_stands() -> None:
    shown = recall_pictures(report(PROBED, CURVE), 0.95)
    assert list(shown) == ["recall_over_nprobe", "recall_over_k"]
    root = drawn(shown["recall_over_nprobe"])
    assert_inside(root)
    assert len(path(root, "d")) == 3 * len(PROBED)
    # The vertical line goes through the dot of nprobe 16, from the top of the frame to its foot.
    line, dots = path(root, "m"), path(root, "d")
    assert line == [dots[6], TOP, BOTTOM]
    assert {"recall@10", "nprobe (lists read)", "- - asked 0.95", ": profile: nprobe 16"} <= set(words(root))
    assert {"4", "32"} <= set(words(root))


def test_recall_over_k_shows_the_judged_k_with_its_bound() -> None:
    (name, shown), *others = recall_pictures(report((), CURVE), 0.95).items()
    assert (name, others) == ("recall_over_k", [])
    root = drawn(shown)
    assert_inside(root)
    mean, (at, bound) = path(root, "d")[-2], path(root, "c")[6:8]
    assert at == path(root, "m")[0] == RIGHT
    # 0.97, surely 0.96, and 0.95 is asked: from top to bottom.
    assert TOP < mean < bound < path(root, "t")[1]
    assert {"_ surely 0.960", "- - asked 0.95", ": judged: k 10", "k"} <= set(words(root))


def test_a_better_recall_lies_higher_and_the_threshold_between() -> None:
    root = drawn(recall_pictures(report((), ((1, 1.0), (10, 0.9))), 0.95)["recall_over_k"])
    best, worst = path(root, "d")[1::3]
    assert best < path(root, "t")[1] < worst
    assert path(root, "t")[1] == pytest.approx((best + worst) / 2, abs=1)


@pytest.mark.parametrize("threshold", [0.0, 0.95, 1.2])
@pytest.mark.parametrize("recall", [0.0, 1 / 3, 1.0])
def test_a_single_point_and_strange_thresholds_are_drawn_inside(recall: float, threshold: float) -> None:
    assert_inside(drawn(recall_pictures(report((), ((1, recall),), k=1), threshold)["recall_over_k"]))


def test_the_ui_shows_the_pictures_in_their_place() -> None:
    deep = tuple((k, 0.987654321 - k / 3000) for k in (1, 5, 10, 20, 50, 100))
    probed = tuple((probes, 0.912345678 + probes / 30000, 0.1) for probes in (256, 512, 1024, 2048))
    pictures = [*recall_pictures({**report(probed, deep, 100), "nprobe": 1024}, 0.95).values()]
    pictures += [*recall_pictures(report(PROBED, CURVE), 0.95).values()]
    for one in pictures:
        assert one.value is not None
        assert len(one.value) < INLINE_CHARACTERS
        assert_inside(drawn(one))
    # With BM25 beside the modes the picture of an evaluation was 1,062 characters, and stood behind a link.
    legs = legs_picture(dict.fromkeys((*LEGS, BM25), Interval(0.456, 0.401, 0.512)), MAIN)
    assert len(legs.value or "") < INLINE_CHARACTERS
    drawn(legs, MAIN)


def test_nothing_measured_is_no_picture() -> None:
    assert recall_pictures({"basis": "no queries"}, 0.95) == {}
    assert recall_pictures(report(PROBED, CURVE), None) == {}


def test_a_dense_index_shows_recall_over_the_lists_read_and_its_profile() -> None:
    ladder = [(float(step), 1 - 0.3 / step) for step in (64, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48)]
    one = probes_picture(ladder, "nprobe (lists read)", 0.983, 10, 16.0)
    assert one.value is not None and len(one.value) < INLINE_CHARACTERS
    root = drawn(one)
    assert_inside(root)
    dots = path(root, "d")
    assert dots[::3] == sorted(dots[::3]) and len(dots) == 3 * MOST_STEPS
    assert path(root, "m")[0] == dots[3 * 3], "the place of the profile is that of its step"
    # A profile below what is drawn stands there with its step.
    low = drawn(probes_picture(ladder, "nprobe (lists read)", 0.983, 10, 2.0))
    assert path(low, "m")[0] == path(low, "d")[0] and len(path(low, "d")) == 3 * (MOST_STEPS + 1)
    assert {"nprobe (lists read)", ": profile: 16", "- - asked 0.983"} <= set(words(root))


def test_tuning_shows_the_best_recall_of_each_cost_and_what_was_chosen() -> None:
    trials = [(3000.0, 0.97), (1000.4, 0.8), (2000.0, 0.75), (9000.0, 0.99)]
    root = drawn(tuning_picture(trials, 0.96, 3000.0, 10))
    assert_inside(root)
    # A dearer setting that found less is left out.
    assert len(path(root, "d")) == 3 * 3
    assert path(root, "m")[0] == path(root, "d")[3]
    assert {"tokens multiplied", ": profile: 3000", "- - asked 0.96"} <= set(words(root))


def test_sizes_of_lists_are_bars_inside_the_frame_with_their_ends_and_mean() -> None:
    for sizes in ([5], [7, 7, 7], [0, 0, 3], [1, 10**7], list(range(300))):
        one = list_sizes_picture(np.array(sizes, np.int64))
        assert one.value is not None and len(one.value) < INLINE_CHARACTERS
        root = drawn(one, "lists by their rows")
        bars = path(root, "b")
        assert len(bars) >= 3
        for at, foot, top in zip(bars[::3], bars[1::3], bars[2::3], strict=True):
            assert LEFT <= at <= RIGHT and TOP <= top < foot == BOTTOM
        assert {str(min(sizes)), str(max(sizes)), "rows in a list"} <= set(words(root))
        assert f"{len(sizes)} lists, {sizes.count(0)} empty" in " ".join(words(root))
        assert LEFT <= path(root, "m")[0] <= RIGHT


def test_what_is_past_its_limit_stays_inside() -> None:
    one = picture(Curve("drift", "generation", ((1.0, 0.4), (2.0, 2.7)), 1.0, asked="limit"))
    root = drawn(one, "drift")
    assert_inside(root)
    assert "- - limit 1" in words(root)
