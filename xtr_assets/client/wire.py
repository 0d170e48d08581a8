"""JSON of a server to values of the library and back; errors become those that a local search raises."""

import json
import math
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

import httpx
import numpy as np

from xtr_assets.core import errors
from xtr_assets.core.arguments import check_finite, real_array
from xtr_assets.core.errors import InvalidInput, QuestionTimeout, RemoteError, ServerBusy, Unauthorized, XtrAssetsError
from xtr_assets.core.http_environment import proxy_hint
from xtr_assets.core.types import Floats, Ints
from xtr_assets.search.hit_table import Hits
from xtr_assets.search.hits import Copy, Explanation, Hit, SpaceExplanation, TermMatch, TokenMatch

GENERATION_HEADER = "Xtr-Generation"
# The release of a server, in every answer.
VERSION_HEADER = "Xtr-Version"
# Of an answer that is no answer of ours, as much as tells which proxy or server it was.
SHOWN = 200

# What every server answered before there were indexes of one leg.
MODES = ("hybrid", "dense", "xtr", "lexical", "exact")

_HIT_FIELDS = tuple(one.name for one in fields(Hit))
# What reading one raises that is JSON and yet not ours.
_STRANGE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
_STATUS: Mapping[int, type[XtrAssetsError]] = {401: Unauthorized, 408: QuestionTimeout, 503: ServerBusy}

Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a server. All of them read, so that any may be sent again."""

    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


def search_call(asked: Mapping[str, Any], settings: Mapping[str, Any]) -> Call:
    """The call of a search; InvalidInput for what JSON has not. Settings at None are left to the profile."""
    given = {name: value for name, value in {**asked, **settings}.items() if value is not None}
    try:
        return Call("/v1/search", body=json.dumps(given, default=_plain, allow_nan=False).encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(
            f"the question cannot be sent as JSON ({error}); use text (a date as ISO text), numbers, lists and mappings"
        ) from error


def vectors_of(queries: Any) -> list[Any]:
    """float32 [n, dim] as lists; an empty list is no query. Raises InvalidInput for NaN and for another shape."""
    array = real_array(queries, "queries")
    if array.ndim != 2 and array.shape != (0,):
        raise InvalidInput(f"queries have shape {array.shape}; pass [n, dim]")
    check_finite(array, "query")
    return array.tolist()  # type: ignore[no-any-return]


def tokens_of(queries: Sequence[Any]) -> list[Any]:
    """Several queries, each float32 [tokens, token_dim], as lists."""
    return [vectors_of(one) if np.size(one) else [] for one in queries]


def hits_of(documents: Sequence[Mapping[str, Any]], corrected: Any = "") -> Hits:
    """Hits as the library has them. corrected : the query as it was asked, of which a server of before says nothing."""
    return Hits(map(_hit, documents), str(corrected))


def arrays_of(results: Sequence[Mapping[str, Any]], k: int) -> tuple[Floats, Ints]:
    """(scores float32 [n, k], chunk_ids int64 [n, k]), padded with (-inf, -1)."""
    scores, ids = np.full((len(results), k), -np.inf, np.float32), np.full((len(results), k), -1, np.int64)
    for i, result in enumerate(results):
        for j, hit in enumerate(result["hits"]):
            scores[i, j], ids[i, j] = hit["score"], hit["chunk_id"]
    return scores, ids


def document_of(answer: httpx.Response) -> dict[str, Any]:
    """The JSON of an answer. Raises what the server raised, RemoteError where this is no answer of one."""
    try:
        document = answer.json()
    except (ValueError, RecursionError):
        document = None
    if answer.is_success and isinstance(document, dict):
        return document
    raise _error(answer, document)


def answered(answer: httpx.Response, read: Callable[[dict[str, Any]], Read]) -> Read:
    """What `read` makes of an answer. Raises as `document_of`; RemoteError, too, where it is JSON of something else."""
    document = document_of(answer)
    try:
        return read(document)
    except _STRANGE as error:
        raise _stranger(answer) from error


def number_of(about: Mapping[str, Any]) -> int:
    """The generation that answers."""
    return int(about["generation"])


def found_of(document: Mapping[str, Any]) -> Hits:
    """The hits of one query."""
    return hits_of(document["hits"], document.get("corrected", ""))


def chunks_of(document: Mapping[str, Any]) -> Hits:
    """Chunks that were asked for by id."""
    return hits_of(document["chunks"])


def results_of(read: Callable[[list[dict[str, Any]]], Read], count: int, document: Mapping[str, Any]) -> Read:
    """What `read` makes of what each of `count` queries is answered."""
    results = document["results"]
    if len(results) != count:
        raise ValueError(f"{len(results)} results of {count} queries")
    return read(results)


def unreachable(url: str, error: httpx.HTTPError, seconds: float) -> XtrAssetsError:
    """What to raise where no answer came."""
    if isinstance(error, httpx.TimeoutException):
        return QuestionTimeout(f"no answer of {url} within {seconds:g} s; give more `timeout`, or ask for less")
    said = f"({type(error).__name__}: {error})"
    if isinstance(error, httpx.ConnectError | httpx.ProxyError):
        return RemoteError(f"no server at {url} {said}; `xtr-assets serve` starts one{proxy_hint(url)}")
    return RemoteError(f"no whole answer of {url} {said}; the log of the server, or of a proxy before it, says why")


def _error(answer: httpx.Response, document: Any) -> XtrAssetsError:
    said = document.get("error") if isinstance(document, dict) else None
    if not isinstance(said, dict):
        return _stranger(answer)
    named = getattr(errors, str(said.get("type")), None)
    known = isinstance(named, type) and issubclass(named, XtrAssetsError)
    kind = named if known and isinstance(named, type) else RemoteError
    return _made(kind, str(said.get("message")), answer)


def _stranger(answer: httpx.Response) -> XtrAssetsError:
    kind = _STATUS.get(answer.status_code, RemoteError)
    leads = f" and leads to {answer.headers['location'][:SHOWN]!r}" if answer.has_redirect_location else ""
    text = " ".join(answer.text[:SHOWN].split())
    said = f"{answer.url.host} answered {answer.status_code}{leads}, not as `xtr-assets serve` does: {text!r}"
    return _made(kind, f"{said}; give the address of that server, or look at the proxy before it", answer)


def modes_of(about: Mapping[str, Any]) -> tuple[str, ...]:
    """The modes that a server says it answers; one of before there were indexes of one leg says nothing, and answers
    all of them."""
    return tuple(map(str, about.get("modes", MODES)))


def _made(kind: type[XtrAssetsError], message: str, answer: httpx.Response) -> XtrAssetsError:
    if kind is ServerBusy:
        wait = answer.headers.get("Retry-After", "1")
        return ServerBusy(message, float(wait) if wait.isdigit() and len(wait) < 5 else 1.0)
    # Some errors are made of parts that stay on the server (the path of a damaged file): the message is all there is.
    error = kind.__new__(kind)
    Exception.__init__(error, message)
    return error


def _hit(document: Mapping[str, Any]) -> Hit:
    # By name: a field that a later release brings is taken over where this one has it.
    known = {name: document[name] for name in _HIT_FIELDS if name in document}
    score = math.nan if known.get("score") is None else known["score"]
    explained = known.pop("explanation", None)
    also = tuple(_known(Copy, one) for one in known.pop("also", ()))
    told = None if explained is None else _explanation(explained)
    return Hit(**{**known, "score": score, "explanation": told, "also": also})


def _explanation(document: Mapping[str, Any]) -> Explanation:
    return Explanation(
        document["candidates"],
        {name: _known(SpaceExplanation, one) for name, one in document["spaces"].items()},
        tuple(_known(TokenMatch, one) for one in document["tokens"]),
        # A server of before the words were listed sends none.
        tuple(_known(TermMatch, one) for one in document.get("terms", ())),
    )


def _known(kind: Any, document: Mapping[str, Any]) -> Any:
    return kind(**{one.name: document[one.name] for one in fields(kind) if one.name in document})


def _plain(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    # Of a time numpy makes its nanoseconds, or None.
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind not in "mM":
        plain = value.tolist()
        # What has more bits than Python's own stays what it is.
        if plain is not value and not isinstance(plain, np.generic):
            return plain
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{reprlib.repr(value)}, a {type(value).__name__}, is none")
