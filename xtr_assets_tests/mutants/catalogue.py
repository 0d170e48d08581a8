"""Every mutant there is, by place; and no fault at all, in each kind of build that a mutant runs in."""

from contextlib import nullcontext

from xtr_assets_tests.mutants.fault import Mutant
from xtr_assets_tests.mutants.places import (
    derived,
    encodings,
    evidence,
    legs,
    names,
    passage,
    rows,
    serving,
    sources,
    words,
)

MUTANTS: tuple[Mutant, ...] = (
    *sources.MUTANTS,
    *encodings.MUTANTS,
    *names.MUTANTS,
    *legs.MUTANTS,
    *rows.MUTANTS,
    *derived.MUTANTS,
    *evidence.MUTANTS,
    *serving.MUTANTS,
    *passage.MUTANTS,
    *words.MUTANTS,
)

CONTROLS: tuple[Mutant, ...] = tuple(
    Mutant(
        f"nothing{', lists of tokens' if lists else ''}{f', {recipe}' if recipe != 'auto' else ''}",
        "control",
        nullcontext,
        frozenset(),
        tuple(sorted({run for one in MUTANTS if (one.lists, one.recipe) == (lists, recipe) for run in one.runs})),
        equivalent="nothing is planted",
        lists=lists,
        recipe=recipe,
    )
    for lists, recipe in sorted({(one.lists, one.recipe) for one in MUTANTS})
)
