"""Every mutant there is, by place; and no fault at all, in each kind of build that a mutant runs in."""

from contextlib import nullcontext

from xtr_assets_tests.mutants.fault import Files, Mutant
from xtr_assets_tests.mutants.places import (
    companions,
    components,
    counted,
    derived,
    encodings,
    evidence,
    kept,
    legs,
    markups,
    names,
    papers,
    passage,
    rows,
    seams,
    serving,
    settings,
    sources,
    spans,
    tables,
    volumes,
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
    *settings.MUTANTS,
    *tables.MUTANTS,
    *markups.MUTANTS,
    *volumes.MUTANTS,
    *components.MUTANTS,
    *companions.MUTANTS,
)


def _corpus(mutant: Mutant) -> tuple[bool, str, Files]:
    return mutant.lists, mutant.recipe, mutant.files


CONTROLS: tuple[Mutant, ...] = tuple(
    Mutant(
        f"nothing{', lists of tokens' if lists else ''}{f', {recipe}' if recipe != 'auto' else ''}"
        f"{f', {files}' if files else ''}",
        "control",
        nullcontext,
        frozenset(),
        tuple(sorted({run for one in MUTANTS if _corpus(one) == (lists, recipe, files) for run in one.runs})),
        equivalent="nothing is planted",
        lists=lists,
        recipe=recipe,
        files=files,
    )
    for lists, recipe, files in sorted({_corpus(one) for one in MUTANTS})
)
