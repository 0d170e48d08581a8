"""The test kit of encoders: `check_encoder` holds one against the protocol of `xtr_assets.encoders.base`.

Every encoder of the package passes it, and one of somebody's own has to, before an index is built with it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from xtr_assets.encoders.base import Encoder
from xtr_assets.testing.encoder_checks import CHECKS, reopened

__all__ = ["CheckFailed", "Report", "check_encoder"]


class CheckFailed(AssertionError):
    """An encoder breaks the protocol; the message lists every breach that was found."""


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


def _first(found: Iterator[str]) -> str | None:
    """The first breach; what a check raises is one."""
    try:
        return next(found, None)
    except Exception as error:  # whatever an encoder raises is what is wrong with it
        return f"raised {type(error).__name__}: {str(error)[:200]}"
