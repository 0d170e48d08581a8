"""Faults in how things are called: what is said above a definition, titles of marked headings, words of names."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from xtr_assets.core.chunking.heading_words import rst_words
from xtr_assets_tests.mutants.fault import Mutant, Plant, replaced
from xtr_assets_tests.mutants.places.names import WORDED

AGREES = frozenset({"source_agrees"})
ANSWERS = frozenset({"answers_agree"})
LINES = "core.doc_comment:doc_lines"
MARKDOWN = "core.chunking.heading_words:markdown_words"
CALLED = "search.legs:Legs.called_by"
PLACED = "search.legs:Legs.placed_by"
IN_A_ROW = "search.legs:Legs.verbatim_by"


def _nothing_said(_: Any) -> Any:
    return lambda _path, _text: iter(())


def _never_closed(original: Any) -> Any:
    """A comment goes on through the definition below it."""

    def doc_lines(path: str, text: str) -> Any:
        return iter(text.replace("*/", "").replace(".", "").split("\n")) if "/*" in text else original(path, text)

    return doc_lines


def _of_javascript_alone(original: Any) -> Any:
    """As the names of version 1, which the folder of version 2 must not hold."""
    return lambda path, text: original(path, text) if text.lstrip().startswith(("/*", "//", "--")) else iter(())


def _signature_first(original: Any) -> Any:
    """Julia's block of code is taken for what is said."""

    def doc_lines(path: str, text: str) -> Any:
        return original(path.removesuffix(".jl") + ".py" if path.endswith(".jl") else path, text)

    return doc_lines


def _as_it_is(_: Any) -> Any:
    return lambda text, *_given: text


def _without_code(original: Any) -> Any:
    return lambda text, parser, references: original(re.sub("`[^`]*`", "", text), parser, references)


def _target_for_words(original: Any) -> Any:
    def words(text: str, parser: Any, references: Any) -> Any:
        return original(re.sub(r"\[[^\]]*\]\((\S+)\)", r"\1", text), parser, references)

    return words


def _titles(alter: Callable[[str], str]) -> Plant:
    """Titles of reStructuredText are made of the line that they stand on; another process reads it."""

    def make(original: Any) -> Any:
        def titles(self: Any, text: str) -> Any:
            lines = text.split("\n")
            return [replace(one, title=alter(lines[one.first - 1])) for one in original(self, text)]

        return titles

    return replaced("sources.text_tree:TextTree._titles", make)


def _without_roles(line: str) -> str:
    return rst_words(re.sub(":[a-z]+:`[^`]*`", "", line)).strip()


def _of_before(original: Any) -> Any:
    """The references of a page, or a cache by nothing: the words of the heading before."""
    last: list[str] = []

    def words(text: str, parser: Any, references: Any) -> Any:
        own = original(text, parser, references)
        before, last[:] = (last or [own])[0], [own]
        return before

    return words


def _forgotten(_: Any) -> Any:
    return lambda _self, _query, _rarity, _rows, _scores: {}


def _as_rare(original: Any) -> Any:
    return lambda self, query, rarity, rows, scores: original(self, query, dict.fromkeys(rarity, 1.0), rows, scores)


def _of_next(original: Any) -> Any:
    def called_by(self: Any, query: Any, rarity: Any, rows: Any, scores: Any) -> Any:
        return {name: np.roll(found, 1) for name, found in original(self, query, rarity, rows, scores).items()}

    return called_by


def _nameless_too(original: Any) -> Any:
    def called_by(self: Any, query: Any, rarity: Any, rows: Any, scores: Any) -> Any:
        return original(self, query, rarity, rows, {**scores, "name": np.nan_to_num(scores["name"])})

    return called_by


def _summed(original: Any) -> Any:
    def called_by(self: Any, query: Any, rarity: Any, rows: Any, scores: Any) -> Any:
        return {
            name: found * sum(rarity.values()) for name, found in original(self, query, rarity, rows, scores).items()
        }

    return called_by


def _symbol_alone(original: Any) -> Any:
    return lambda _path, symbol: original("", symbol)


def _weighs_nothing(original: Any) -> Any:
    return lambda *given: replace(original(*given), called=0.0)


def _placed_nowhere(_: Any) -> Any:
    return lambda _self, _query, _rows: {}


def _placed_at_next(original: Any) -> Any:
    def placed_by(self: Any, query: Any, rows: Any) -> Any:
        return {name: np.roll(found, 1) for name, found in original(self, query, rows).items()}

    return placed_by


def _outermost_first(original: Any) -> Any:
    return lambda text: original(text)[::-1]


def _read_nowhere(_: Any) -> Any:
    return lambda _self, *_given: {}


def _read_at_next(original: Any) -> Any:
    def verbatim_by(self: Any, *given: Any) -> Any:
        return {name: np.roll(found, 1) for name, found in original(self, *given).items()}

    return verbatim_by


def _one_more(original: Any) -> Any:
    return lambda *given: (found := original(*given)) and found + 1


def _runs_weigh_nothing(original: Any) -> Any:
    return lambda *given: replace(original(*given), verbatim=0.0)


def _places_weigh_nothing(original: Any) -> Any:
    return lambda *given: replace(original(*given), place=0.0)


MUTANTS = (
    Mutant("what is said above a script is not read", "names", replaced(LINES, _nothing_said), WORDED),
    Mutant("a comment above a script has no end", "names", replaced(LINES, _never_closed), WORDED),
    Mutant(
        "languages of names, version 2, are not known",
        "names",
        replaced(LINES, _of_javascript_alone),
        WORDED,
        files="papers",
    ),
    Mutant("a call is taken for what is said", "names", replaced(LINES, _signature_first), WORDED, files="papers"),
    Mutant("marks of Markdown stay in titles", "headings", replaced(MARKDOWN, _as_it_is), AGREES, files="papers"),
    Mutant("code in a heading is lost", "headings", replaced(MARKDOWN, _without_code), AGREES, files="papers"),
    Mutant(
        "a link's target is in the title", "headings", replaced(MARKDOWN, _target_for_words), AGREES, files="papers"
    ),
    Mutant("a title is the heading's before", "headings", replaced(MARKDOWN, _of_before), AGREES, files="papers"),
    Mutant("marks of reStructuredText stay in titles", "headings", _titles(str), AGREES, files="papers"),
    Mutant("roles in a title lose their text", "headings", _titles(_without_roles), AGREES, files="papers"),
    Mutant("words of names are forgotten", "called", replaced(CALLED, _forgotten), ANSWERS, serves=True),
    Mutant("words of names are all as rare", "called", replaced(CALLED, _as_rare), ANSWERS, serves=True),
    Mutant("words of names are the next candidate's", "called", replaced(CALLED, _of_next), ANSWERS, serves=True),
    Mutant("rows without a name are called too", "called", replaced(CALLED, _nameless_too), ANSWERS, serves=True),
    Mutant("words of names are no share", "called", replaced(CALLED, _summed), ANSWERS, serves=True),
    Mutant(
        "words of paths are forgotten",
        "called",
        replaced("core.lexical_terms:called_terms", _symbol_alone),
        ANSWERS,
        serves=True,
    ),
    Mutant(
        "hybrid is published without words of names",
        "called",
        replaced("search.blend:Blend.standard", _weighs_nothing),
        frozenset({"legs_agree"}),
    ),
    Mutant("places are forgotten", "places", replaced(PLACED, _placed_nowhere), ANSWERS, serves=True),
    Mutant("places are the next candidate's", "places", replaced(PLACED, _placed_at_next), ANSWERS, serves=True),
    Mutant(
        "the outermost frame is taken for the innermost",
        "places",
        replaced("core.asked_place:asked_places", _outermost_first),
        ANSWERS,
        serves=True,
    ),
    Mutant(
        "hybrid is published without places",
        "places",
        replaced("search.blend:Blend.standard", _places_weigh_nothing),
        frozenset({"legs_agree"}),
    ),
    Mutant("words in a row are forgotten", "runs", replaced(IN_A_ROW, _read_nowhere), ANSWERS, serves=True),
    Mutant("words in a row are the next candidate's", "runs", replaced(IN_A_ROW, _read_at_next), ANSWERS, serves=True),
    Mutant(
        "a row of words is one longer",
        "runs",
        replaced("search.row_words:longest_run", _one_more),
        ANSWERS,
        serves=True,
    ),
    Mutant(
        "hybrid is published without words in a row",
        "runs",
        replaced("search.blend:Blend.standard", _runs_weigh_nothing),
        frozenset({"legs_agree"}),
    ),
)
