"""What fields of a configuration have in common: strictness, and paths that the system can use."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator


class Strict(BaseModel):
    """A frozen mapping of known fields."""

    # Built when it is first asked for: a command that reads no configuration pays for none, and one that does builds
    # what is inside of it once and not twice (60 ms of a cold search). No manifest can note an infinite number.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, given: Any) -> Any:
        """YAML reads `yes` and `off` as true and false, which pydantic takes for 1 and 0: `keep: yes` kept one."""
        for name in _numbers(cls) if isinstance(given, dict) else ():
            if isinstance(value := given.get(name), bool):
                fault = {"type": "float_type", "loc": (name,), "input": value}
                raise ValidationError.from_exception_data(cls.__name__, [fault])  # type: ignore[list-item]
        return given


@cache
def _numbers(model: type[BaseModel]) -> tuple[str, ...]:
    """The fields that are numbers."""
    return tuple(name for name, field in model.model_fields.items() if _numeric(field.annotation))


def _numeric(kind: Any) -> bool:
    return kind in (int, float) or any(map(_numeric, get_args(kind)))


def _usable_path(value: Any) -> Any:
    """Refused here: what the system refuses later, and an empty text, which would be the folder itself."""
    if isinstance(value, str | Path):
        text = str(value)
        if not text or "\0" in text:
            raise ValueError("a path is neither empty nor holds a NUL; give a path")
        try:
            text.encode("utf-8", "surrogateescape")
            Path(text).expanduser()
        except UnicodeError as error:
            raise ValueError("half of a character (a surrogate) is no part of a path; give a path") from error
        except RuntimeError as error:
            raise ValueError("there is no such user here; write the folder out") from error
        if text.startswith("$"):
            # A folder of that name would be made beside the file.
            raise ValueError("variables of the environment are not filled in; write the folder out")
        if _OF_WINDOWS.match(text):
            raise ValueError("a path of Windows; inside WSL the drive C: is /mnt/c, and / stands between folders")
    return value


UsablePath = Annotated[Path, BeforeValidator(_usable_path)]

# `./C:\\data` is a folder of that name all the same.
_OF_WINDOWS = re.compile(r"[A-Za-z]:[\\/]")

# A scheme of two letters at least: `c:` is no address.
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://|[A-Za-z0-9_.-]+@[A-Za-z0-9.-]+:")
_SECRET = re.compile(r"[a-z][a-z0-9+.-]+://[^/:]*:[^/]*@")


def _location(value: Any) -> Any:
    """A path, or the address of something that is not on this machine: text, as it is."""
    if isinstance(value, str) and _ADDRESS.match(value):
        if _SECRET.match(value):
            raise ValueError("an address holds no password: use a credential helper, or the environment")
        return value
    if value is None:
        return None
    if not isinstance(value, str | Path):
        raise ValueError("give a path, or the address of a repository")
    return Path(_usable_path(value))


Location = Annotated[Path | str, BeforeValidator(_location)]


def in_order(value: Any) -> Any:
    """Somebody's own settings with lists in place of sets, which YAML has: their order is another in each process.

    >>> in_order({"words": {"b", "a"}, "n": [3, {2, 1}]})
    {'words': ['a', 'b'], 'n': [3, [1, 2]]}
    """
    if isinstance(value, Mapping):
        return {key: in_order(held) for key, held in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(map(in_order, value), key=lambda one: (str(one), type(one).__name__))
    return [in_order(held) for held in value] if isinstance(value, list | tuple) else value


def by_text(value: Any) -> Any:
    """Settings as JSON can sort them: keys of YAML may be of two types."""
    if isinstance(value, dict):
        return {str(key): by_text(held) for key, held in value.items()}
    return [by_text(held) for held in value] if isinstance(value, list) else value
