"""Rare words with a digit: versions, numbers and codes come before what is like them."""

from pathlib import Path

import pytest

import xtr_assets as xa
from xtr_assets.core.types import Chunk
from xtr_assets.search.blend import Blend
from xtr_assets.search.ranker import Mode
from xtr_assets_tests.fixtures import drafted, make_chunk, new_warehouse

FUSED: tuple[Mode, ...] = ("hybrid", "exact")


def releases() -> list[Chunk]:
    """Sections of a changelog, all alike but for their numbers, among prose that speaks of years."""
    sections = [
        make_chunk(
            "CHANGES.md",
            f"2.{i}.0",
            f"fixed: the parser lost a line (#{6000 + i}, CVE-2024-{11000 + 7 * i}), reported as E{500 + i}",
            source="docs",
            kind="section",
            title=f"History > 2.{i}.0",
            line=1 + i,
        )
        for i in range(60)
    ]
    prose = [
        make_chunk(f"guide/{i}.md", f"g{i}", f"what changed since 2024 in the parser, part {i}", source="docs")
        for i in range(90)
    ]
    return [*sections, *prose]


@pytest.fixture(scope="module")
def changelog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = new_warehouse(tmp_path_factory.mktemp("digits") / "w", releases())
    draft = drafted(made, recipe="Flat")
    draft.set_profile("hybrid", Blend.standard().document())
    made.publish(draft.number, force_reason="these tests have no gate")
    return made.layout.root


@pytest.mark.parametrize(
    ("query", "symbol"),
    [
        ("2.28.0", "2.28.0"),
        ("what changed in 2.7.0", "2.7.0"),
        ("issue 6041", "2.41.0"),
        ("fix for #6013", "2.13.0"),
        ("which release fixes CVE-2024-11077", "2.11.0"),
        ("the parser reports E533", "2.33.0"),
        ("e533", "2.33.0"),
    ],
)
def test_what_holds_the_word_with_a_digit_comes_first(changelog: Path, query: str, symbol: str) -> None:
    with xa.open(changelog, "cpu") as searcher:
        for mode in FUSED:
            first, second = searcher.search(query, 2, mode, explain=True)
            assert first.symbol == symbol and first.scores["digits"] > second.scores.get("digits", 0.0)
            assert first.explanation is not None and first.explanation.spaces["digits"].weight == 4.0
        for single in ("dense", "xtr", "lexical"):
            assert all("digits" not in hit.scores for hit in searcher.search(query, 5, single))
        assert all("digits" not in hit.scores for hit in searcher.search(query, 5, fusion="rrf"))


def test_a_word_with_a_digit_that_many_chunks_hold_or_none_adds_nothing(changelog: Path) -> None:
    with xa.open(changelog, "cpu") as searcher:
        for query in ("what changed since 2024", "history 2", "version 9.99.77", "the parser"):
            assert all("digits" not in hit.scores for hit in searcher.search(query, 20))


def test_of_several_words_each_counts_by_its_rarity(changelog: Path) -> None:
    """2.28.0 is one word, whose parts 28 and 2.28.0 are terms too; who has one of two numbers has half."""
    with xa.open(changelog, "cpu") as searcher:
        hits = searcher.search("6001 6002 in one query", 3)
        assert {hit.symbol for hit in hits[:2]} == {"2.1.0", "2.2.0"}
        assert [hit.scores.get("digits") for hit in hits] == [0.5, 0.5, None]
        (both,) = searcher.search("6001 2.1.0", 1)
        assert both.scores["digits"] == pytest.approx(1.0)


def test_a_corpus_of_few_chunks_has_rare_words_too(tmp_path: Path) -> None:
    made = new_warehouse(tmp_path / "w", [make_chunk(f"{i}.md", f"s{i}", f"release 1.{i}.3 of it") for i in range(8)])
    draft = drafted(made, recipe="Flat")
    draft.set_profile("hybrid", Blend.standard().document())
    made.publish(draft.number, force_reason="these tests have no gate")
    with xa.open(made.layout.root, "cpu") as searcher:
        (first,) = searcher.search("1.6.3", 1)
        assert first.symbol == "s6"


def test_a_pasted_log_of_many_numbers_is_answered(changelog: Path) -> None:
    log = " ".join(f"{i:05d} 0x{i:06x}" for i in range(7000)) + " E533"
    with xa.open(changelog, "cpu") as searcher:
        assert searcher.search(log, 3)


def test_a_generation_without_says_nothing(tmp_path: Path) -> None:
    made = new_warehouse(tmp_path / "w", releases()[:40])
    draft = drafted(made, recipe="Flat")
    kept = {name: value for name, value in Blend.standard().document().items() if name != "digits"}
    draft.set_profile("hybrid", kept)
    made.publish(draft.number, force_reason="these tests have no gate")
    with xa.open(made.layout.root, "cpu") as searcher:
        assert all("digits" not in hit.scores for hit in searcher.search("2.28.0", 5))
