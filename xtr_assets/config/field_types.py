"""What fields of a configuration have in common: strictness, and paths that the system can use."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict


class Strict(BaseModel):
    """A frozen mapping of known fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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
    return value


UsablePath = Annotated[Path, BeforeValidator(_usable_path)]
