"""Links from an asset in the UI to what makes it: our function, the file that configures it."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg

# Where Dagster keeps the links of an asset.
REFERENCES = "dagster/code_references"


def linked(assets: Sequence[dg.AssetsDefinition]) -> Sequence[Any]:
    """The assets, each with a link to the function that computes it."""
    with _in_beta():
        return dg.with_source_code_references(assets)


def with_file(spec: dg.AssetSpec, file: Path) -> dg.AssetSpec:
    """The asset with a link to one more file."""
    with _in_beta():
        there = spec.metadata.get(REFERENCES)
        links = [] if there is None else there.code_references
        added = [*links, dg.LocalFileCodeReference(file_path=str(file.resolve()), label=file.name)]
        value = dg.CodeReferencesMetadataValue(code_references=added)
        return spec.merge_attributes(metadata={REFERENCES: value})


@contextmanager
def _in_beta() -> Iterator[None]:
    """Without the warning, some forty times a load, that links may change in a later release of Dagster."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        yield
