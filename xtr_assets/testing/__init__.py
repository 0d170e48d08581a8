"""The test kits: `check_encoder` and `check_source` hold an encoder or a source against its protocol
(`xtr_assets.encoders.base`, `xtr_assets.sources.base`).

Every one of the package passes its kit, and one of somebody's own has to, before an index is built with it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from xtr_assets.encoders.base import Encoder
from xtr_assets.sources.base import Source
from xtr_assets.testing import source_checks
from xtr_assets.testing.encoder_checks import CHECKS, reopened

__all__ = ["CheckFailed", "Report", "SourceReport", "check_encoder", "check_source"]


class CheckFailed(AssertionError):
    """An encoder or a source breaks its protocol; the message lists every breach that was found."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was asked of an encoder: the names of the checks it passed, and those that did not apply, with why."""

    encoder: str
    passed: tuple[str, ...]
    skipped: dict[str, str] = field(default_factory=dict)


def check_encoder(encoder: Encoder, reopen: Callable[[], Encoder] | None = None) -> Report:
    """Ask an encoder everything that an index relies on.

    reopen : opens the same encoder once more; with it the fingerprint and the vectors of a second one are compared.
    Raises CheckFailed, which lists all that is wrong. Takes as long as encoding some hundred texts.
    """
    broken: dict[str, str] = {}
    skipped: dict[str, str] = {}
    checks = {name: check(encoder) for name, check in CHECKS.items()}
    if reopen is None:
        skipped["reopened"] = "`reopen` was not given"
    else:
        checks["reopened"] = reopened(encoder, reopen)
    for name, found in checks.items():
        if told := _first(found):
            broken[name] = told
    if broken:
        listed = "\n".join(f"- {name}: {told}" for name, told in broken.items())
        raise CheckFailed(f"{getattr(encoder, 'name', encoder)!r} breaks the protocol of encoders:\n{listed}")
    return Report(encoder.name, tuple(checks), skipped)


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What was asked of a source: `files` that were read and the `chunks` of them; the names of the checks it passed,
    and those that did not apply, with why."""

    source: str
    files: int
    chunks: int
    passed: tuple[str, ...]
    skipped: dict[str, str] = field(default_factory=dict)


def check_source(source: Source, reopen: Callable[[], Source] | None = None) -> SourceReport:
    """Ask a source everything that an index relies on. Two hundred of its files are read, twice.

    reopen : opens the same source once more; with it the files and chunks of a second one are compared.
    Raises CheckFailed, which lists all that is wrong.
    """
    looked = source_checks.Looked(source)
    skipped: dict[str, str] = {}
    checks = {name: check(looked) for name, check in source_checks.CHECKS.items()}
    if callable(getattr(source, "reread", None)):
        checks["reread"] = source_checks.reread(looked)
    else:
        skipped["reread"] = "a kind of the package: the gate has readings of its own for it"
    if reopen is None:
        skipped["reopened"] = "`reopen` was not given"
    else:
        checks["reopened"] = source_checks.reopened(looked, reopen)
    broken = {name: told for name, found in checks.items() if (told := _first(found))}
    if broken:
        listed = "\n".join(f"- {name}: {told}" for name, told in broken.items())
        raise CheckFailed(f"source {source.config.name!r} breaks the protocol of sources:\n{listed}")
    return SourceReport(source.config.name, len(looked.read()), sum(1 for _ in looked.chunks()), tuple(checks), skipped)


def _first(found: Iterator[str]) -> str | None:
    """The first breach; what a check raises is one."""
    try:
        return next(found, None)
    except Exception as error:  # whatever an encoder raises is what is wrong with it
        return f"raised {type(error).__name__}: {str(error)[:200]}"
