"""What the folder of a late-interaction model says about itself, whoever wrote it: `LateLayout` is all of it.

sentence-transformers' multi-vector reader (6.2) knows these layouts as well, and the tests hold this against it. It is
not used to read a model, because it invents a random projection where it finds none, takes Tanh for an activation that
it does not know, gives the model of Stanford's without metadata the tokenizer's length, and cuts long documents off.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from xtr_assets.core.errors import ProviderError

SAFE_WEIGHTS, PICKLED_WEIGHTS = "model.safetensors", "pytorch_model.bin"
SHARDED_WEIGHTS = "model.safetensors.index.json"
MODULES, SENTENCE_SETTINGS = "modules.json", "config_sentence_transformers.json"
# Of a transformer, and of each other module.
MODEL_CONFIG = "config.json"
STANFORD_ARCHITECTURE = "HF_ColBERT"
# A settings file of a model is some kilobytes; what is larger is none, and is not read.
MOST_JSON_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Side:
    """How a query, or a document, is put together.

    marker : vocabulary entry that is inserted behind the tokenizer's first token, "" for none; prompt : text that is
    put before the text; length : most tokens that the model reads at once, all counted; None leaves it to the model.
    """

    marker: str = ""
    prompt: str = ""
    length: int | None = None


@dataclass(frozen=True, slots=True)
class Expansion:
    """Query expansion (Khattab and Zaharia 2020, section 3.2): mask tokens fill a query up, and count as its tokens.

    attend : whether the query's own tokens see them; token : which one, None for the tokenizer's mask token.
    """

    length: int
    attend: bool = False
    token: str | None = None


@dataclass(frozen=True, slots=True)
class DenseStep:
    """One linear step of a projection: where its tensors lie and what is done behind it.

    weights : the file; activation : one of projection_steps.ACTIVATIONS; residual : whether what comes in is added to
    what goes out; shape : (in, out) as the folder states it, None where it does not.
    """

    name: str
    weights: Path
    activation: str = "Identity"
    residual: bool = False
    shape: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class LateLayout:
    """All that the folder of a model says beside its weights.

    skip : words whose tokens documents leave out; skip_pieces : the first piece of each word as well, as Stanford does;
    skip_queries : queries leave them out too; lower : texts are put in lower case first.
    """

    written_by: Literal["pylate", "sentence-transformers", "stanford", "xtr"]
    backbone: Path
    query: Side
    document: Side
    steps: tuple[DenseStep, ...]
    expansion: Expansion | None = None
    skip: tuple[str, ...] = ()
    skip_pieces: bool = False
    skip_queries: bool = False
    lower: bool = False


def json_file(path: Path) -> dict[str, Any]:
    """A JSON object of the model's. Raises ProviderError."""
    loaded = _json(path)
    if not isinstance(loaded, dict):
        raise ProviderError(f"{path} must hold a JSON object, found {type(loaded).__name__}; get the model again")
    return loaded


def module_list(path: Path) -> list[dict[str, Any]]:
    """modules.json, in order. Raises ProviderError."""
    loaded = _json(path)
    if not isinstance(loaded, list) or not all(
        isinstance(one, dict) and isinstance(one.get("type"), str) and isinstance(one.get("path"), str)
        for one in loaded
    ):
        raise ProviderError(f"{path} must hold a list of modules with `type` and `path`; get the model again")
    return loaded


def _json(path: Path) -> Any:
    try:
        if path.stat().st_size > MOST_JSON_BYTES:
            raise ProviderError(f"{path} has {path.stat().st_size:,} bytes, allowed are {MOST_JSON_BYTES:,}")
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ProviderError(f"the model lacks {path.name}: no file at {path}; get the whole folder") from None
    except (OSError, ValueError) as error:
        raise ProviderError(f"{path} cannot be read ({error!s:.200}); get the model again") from error


def member(folder: Path, name: str) -> Path:
    """A folder of the model's, named in one of its files: never outside of it."""
    found = folder / name
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise ProviderError(f"{folder / MODULES} names the folder {name!r}, which is not the model's; get it again")
    return found


WANTED = {int: "a number above 0", str: "a text", bool: "true or false", list: "a list", dict: "an object"}


def setting(settings: dict[str, Any], key: str, kind: type, default: Any, origin: Path) -> Any:
    """A value of the model's, of the type that it must have; null is as if it were not there. Raises ProviderError."""
    value = settings.get(key)
    if value is None:
        return default
    number = isinstance(value, int) and not isinstance(value, bool) and value > 0
    if not (number if kind is int else isinstance(value, kind)):
        raise ProviderError(f"{origin}: `{key}` is {value!r}, wanted is {WANTED[kind]}; mend the file")
    return value


def words(settings: dict[str, Any], key: str, default: tuple[str, ...], origin: Path) -> tuple[str, ...]:
    """A list of words. Raises ProviderError."""
    value = setting(settings, key, list, None, origin)
    if value is None:
        return default
    if not all(isinstance(word, str) for word in value):
        raise ProviderError(f"{origin}: `{key}` holds what is no text; mend the file")
    return tuple(value)
