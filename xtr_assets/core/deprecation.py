"""How a public name is taken out of use: a warning that says what to write instead, two releases before it goes."""

import re
import warnings


class XtrAssetsDeprecation(DeprecationWarning):
    """A public name of this package that will go; the message names what replaces it and the release it goes in."""


def deprecated(name: str, since: str, instead: str, gone_in: str) -> None:
    """Warn, at the line that called the deprecated function, that `name` goes in release `gone_in`.

    Call it first thing in what is deprecated. instead : what to write in its place, as a caller would write it.
    ValueError unless both releases are three numbers and `gone_in` is the later one. A test of the package finds calls
    whose release has come.
    """
    if _release(gone_in) <= _release(since):
        raise ValueError(f"{name}: deprecated since {since}, gone in {gone_in}; it has to be warned of before it goes")
    message = f"{name} is deprecated since xtr-assets {since} and goes in {gone_in}; use {instead}"
    warnings.warn(message, XtrAssetsDeprecation, stacklevel=3)


def _release(text: str) -> tuple[int, ...]:
    """A release as numbers: "0.10.0" comes after "0.9.1"."""
    if re.fullmatch(r"\d+\.\d+\.\d+", text) is None:
        raise ValueError(f"{text!r} is no release; write three numbers, as in 0.2.0")
    return tuple(map(int, text.split(".")))
