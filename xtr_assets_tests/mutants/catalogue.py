"""Every mutant there is, by place; and no fault at all, in each kind of build that a mutant runs in."""

from contextlib import nullcontext

from xtr_assets_tests.mutants.fault import Mutant
from xtr_assets_tests.mutants.places import (
    counted,
    derived,
    encodings,
    evidence,
    kept,
    legs,
    names,
    papers,
    passage,
    rows,
    seams,
    serving,
    sources,
    spans,
    wording,
    words,
)

MUTANTS: tuple[Mutant, ...] = (
    *sources.MUTANTS,
    *papers.MUTANTS,
    *encodings.MUTANTS,
    *names.MUTANTS,
    *legs.MUTANTS,
    *rows.MUTANTS,
    *derived.MUTANTS,
    *evidence.MUTANTS,
    *serving.MUTANTS,
    *passage.MUTANTS,
    *words.MUTANTS,
    *seams.MUTANTS,
    *wording.MUTANTS,
    *counted.MUTANTS,
    *spans.MUTANTS,
    *kept.MUTANTS,
)


def _corpus(mutant: Mutant) -> tuple[bool, str, bool]:
    return mutant.lists, mutant.recipe, mutant.papers


CONTROLS: tuple[Mutant, ...] = tuple(
    Mutant(
        f"nothing{', lists of tokens' if lists else ''}{f', {recipe}' if recipe != 'auto' else ''}"
        f"{', documents' if papers else ''}",
        "control",
        nullcontext,
        frozenset(),
        tuple(sorted({run for one in MUTANTS if _corpus(one) == (lists, recipe, papers) for run in one.runs})),
        equivalent="nothing is planted",
        lists=lists,
        recipe=recipe,
        papers=papers,
    )
    for lists, recipe, papers in sorted({_corpus(one) for one in MUTANTS})
)
