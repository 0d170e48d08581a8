"""Any bytes give a value or an error of ours: a few changes of whole files here, thousands with `make fuzz`.

What once failed lies in corpus/<target>/ and is parsed at every run. Parsers that have a property test of their own
beside their other tests (Arrow types, filters against rows, line numbers, configurations of any bytes) keep it there.
"""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xtr_assets_tests.fuzz.targets import TARGETS, Target

CORPUS = Path(__file__).parent / "corpus"
EXAMPLES = int(os.environ.get("XTR_ASSETS_FUZZ", "0"))
# So many here; all of them take 3 s of CPU.
SHORT = 12
FAILED = [path for path in sorted(CORPUS.glob("*/*")) if path.is_file()]


@st.composite
def changed(draw: st.DrawFn, target: Target) -> bytes:
    """A whole input with some changes: bytes put in, taken out, replaced, or the end cut off."""
    data = bytearray(draw(st.sampled_from(target.seeds)))
    for _ in range(draw(st.integers(0, 6))):
        place = draw(st.integers(0, len(data)))
        how = draw(st.sampled_from(("insert", "replace", "delete", "repeat", "cut")))
        piece = draw(st.one_of(st.sampled_from((*target.words, b" ", b"\n")), st.binary(min_size=1, max_size=4)))
        length = draw(st.integers(1, 12))
        if how == "insert":
            data[place:place] = piece
        elif how == "replace":
            data[place : place + length] = piece
        elif how == "delete":
            del data[place : place + length]
        elif how == "repeat":
            data[place:place] = bytes(data[place : place + length]) * draw(st.integers(1, 30))
        else:
            del data[place:]
    return bytes(data)


def parse(target: Target, data: bytes, folder: Path) -> None:
    """The parser's value, or one of its errors; anything else goes on."""
    folder.mkdir()
    try:
        target.parse(data, folder)
    except target.errors:
        pass
    finally:
        shutil.rmtree(folder)


def fuzz(name: str, folder: Path, examples: int) -> None:
    target = TARGETS[name]

    @settings(
        max_examples=examples,
        derandomize=examples == SHORT,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(changed(target))
    def attempt(data: bytes) -> None:
        parse(target, data, folder / "one")

    attempt()


@pytest.mark.parametrize("name", TARGETS)
def test_a_seed_is_what_it_should_be(name: str, tmp_path: Path) -> None:
    assert TARGETS[name].seeds
    for number, seed in enumerate(TARGETS[name].seeds):
        (tmp_path / str(number)).mkdir()
        TARGETS[name].parse(seed, tmp_path / str(number))


@pytest.mark.parametrize("name", TARGETS)
def test_a_changed_file_is_a_value_or_an_error_of_ours(name: str, tmp_path: Path) -> None:
    fuzz(name, tmp_path, SHORT)


@pytest.mark.parametrize("file", FAILED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_once_failed_does_not(file: Path, tmp_path: Path) -> None:
    parse(TARGETS[file.parent.name], file.read_bytes(), tmp_path / "one")


@pytest.mark.parametrize("name", TARGETS)
def test_depth_and_digits_end_nothing(name: str, tmp_path: Path) -> None:
    large: dict[str, Any] = {
        "nested": b"[" * 200_000,
        "closed": b"[" * 200_000 + b"]" * 200_000,
        "objects": b'{"a":' * 200_000,
        "digits": b"9" * 5_000,
        "a value of digits": b'{"format_version": ' + b"1" * 5_000 + b"}",
        "nothing": b"",
        "zeros": bytes(4096),
    }
    for data in large.values():
        parse(TARGETS[name], data, tmp_path / "one")


@pytest.mark.fuzz
@pytest.mark.skipif(not EXAMPLES, reason="XTR_ASSETS_FUZZ=2000 tries so many changes of each kind of file, minutes")
@pytest.mark.parametrize("name", TARGETS)
def test_thousands_of_changed_files(name: str, tmp_path: Path) -> None:
    fuzz(name, tmp_path, EXAMPLES)
