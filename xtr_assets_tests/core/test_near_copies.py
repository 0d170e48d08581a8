"""Near copies of a reference are found however they were dressed up; what only resembles it is not."""

import re

from xtr_assets.core.near_copies import CONTAINED, Shingles

CODE = """def running_mean(values, width):
    total = 0.0
    for index, value in enumerate(values):
        total += value
        if index >= width:
            total -= values[index - width]
        if index >= width - 1:
            yield total / width
"""
OTHER = """def running_median(values, width):
    window = []
    for index, value in enumerate(values):
        insort(window, value)
        if index >= width:
            window.remove(values[index - width])
        if len(window) == width:
            yield window[width // 2]
"""


def test_a_copy_is_found_inside_another_file_and_in_other_dress() -> None:
    known = Shingles([OTHER, f"import os\n\n{CODE}\n\nprint(1)"])
    assert known.containment(CODE) == 1.0
    assert known.containment(CODE.upper().replace("    ", "\t")) == 1.0
    assert known.containment(CODE.replace("running_mean", "moving_average")) >= CONTAINED
    assert (
        known.containment(f"{CODE}\n    # taken from somewhere else, with a word of thanks to the author") >= CONTAINED
    )


def test_what_does_another_thing_in_the_same_shape_is_no_copy() -> None:
    assert Shingles([CODE]).containment(OTHER) < CONTAINED
    everything_renamed = re.sub(r"\b(total|index|value|values|width)\b", r"my_\1_x", CODE)
    assert Shingles([CODE]).containment(everything_renamed) < CONTAINED


def test_short_and_empty_texts_are_compared_whole() -> None:
    known = Shingles(["x = x[::-1]", ""])
    assert known.containment("X = X[ : : -1 ]") == 1.0
    assert known.containment("y = y[::-1]") == 0.0
    assert known.containment("") == 0.0 and known.containment("()") == 0.0
