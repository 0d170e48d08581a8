"""Windows over long texts for encoders that take texts, and what dense encoders make of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from xtr_assets.core.errors import UnusableText
from xtr_assets.core.types import Floats, Ints
from xtr_assets.encoders.base import Encoded, EncodedQueries

# A cut moves to a blank within this share of a window.
NEAR = 0.1


@dataclass(frozen=True, slots=True)
class TextWindows:
    """Pieces of texts in order: the piece, int64 [w] whose it is, and its length as it was measured."""

    pieces: tuple[str, ...]
    owner: Ints
    lengths: Ints

    @property
    def cut(self) -> int:
        """Texts that took more than one window."""
        return int((np.bincount(self.owner) > 1).sum()) if len(self.owner) else 0


def cut_texts(texts: Sequence[str], measure: Callable[[Sequence[str]], Sequence[int]], capacity: int) -> TextWindows:
    """Cut each text into windows that measure at most `capacity`, of nearly equal size, at blanks where there are any.

    >>> windows = cut_texts(["one two three four five six seven", "", "eight"], lambda ts: [len(t) for t in ts], 20)
    >>> windows.pieces, windows.owner.tolist()
    (('one two three fo', 'ur five six seven', '', 'eight'), [0, 0, 1, 2])
    """
    done: list[list[tuple[str, int]]] = []
    first = measure(texts) if texts else []
    for text, length in zip(texts, first, strict=True):
        done.append(_windows(text, length, measure, capacity))
    flat = [one for windows in done for one in windows]
    owner = np.repeat(np.arange(len(done)), [len(windows) for windows in done]).astype(np.int64)
    return TextWindows(tuple(one[0] for one in flat), owner, np.array([one[1] for one in flat], np.int64))


def _windows(
    text: str, length: int, measure: Callable[[Sequence[str]], Sequence[int]], capacity: int
) -> list[tuple[str, int]]:
    """Windows of one text; those that measure too long for all that are cut again."""
    if length <= capacity or len(text) < 2:
        return [(text, length)]
    pieces = _cut(text, min(len(text), max(2, -(-length // capacity))))
    found = zip(pieces, measure(pieces), strict=True)
    return [window for piece, size in found for window in _windows(piece, size, measure, capacity)]


def _cut(text: str, count: int) -> list[str]:
    """`count` pieces or fewer, none empty, which together are the text."""
    size = len(text) / count
    cuts = [0]
    for nth in range(1, count):
        middle = round(nth * size)
        low, high = max(cuts[-1] + 1, middle - int(size * NEAR)), min(len(text) - 1, middle + int(size * NEAR))
        blanks = [at for at in range(low, high + 1) if text[at - 1].isspace()]
        cut = min(blanks, key=lambda at: abs(at - middle)) if blanks else max(middle, cuts[-1] + 1)
        if cuts[-1] < cut < len(text):
            cuts.append(cut)
    return [text[start:stop] for start, stop in zip(cuts, [*cuts[1:], len(text)], strict=True)]


def whole_texts(texts: Sequence[str]) -> list[str]:
    """The same without halves of characters (lone surrogates), which tokenizers and JSON refuse: "?" stands for one.

    >>> whole_texts(["a" + chr(0xD800) + "b"])
    ['a?b']
    """
    return [text.encode("utf-8", "replace").decode("utf-8") for text in texts]


def pooled(vectors: Floats, windows: TextWindows, count: int) -> Floats:
    """Float32 [count, dim] of unit length from those of windows, float32 [w, dim]: their mean, each by its length.

    Each window's vector is scaled to unit length first. Raises UnusableText where one is NaN, infinite or zero.
    """
    values = np.asarray(vectors, np.float32)
    for problem, bad in (
        ("NaN or infinity", ~np.isfinite(values).all(axis=1)),
        ("a zero vector", ~values.any(axis=1)),
    ):
        if bad.any():
            raise UnusableText(int(windows.owner[bad.argmax()]), f"the model gave {problem}")
    values = values / np.linalg.norm(values, axis=1, keepdims=True)
    sums = np.zeros((count, values.shape[1]), np.float32)
    np.add.at(sums, windows.owner, values * np.maximum(windows.lengths, 1)[:, None].astype(np.float32))
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    if (norms == 0).any():
        raise UnusableText(int((norms == 0).argmax()), "the vectors of its windows cancel each other")
    scaled: Floats = sums / norms
    return scaled


def dense_documents(vectors: Floats, windows: int) -> Encoded:
    """Documents of an encoder without the token leg, from float32 [n, dim]."""
    none = np.empty((0, 0), np.float16)
    return Encoded(
        vectors.astype(np.float16), none, np.zeros(len(vectors) + 1, np.int64), np.empty(0, np.int32), windows
    )


def dense_queries(vectors: Floats) -> EncodedQueries:
    """Queries of an encoder without the token leg, from float32 [n, dim]."""
    none = tuple(np.empty((0, 0), np.float32) for _ in range(len(vectors)))
    return EncodedQueries(vectors, none, tuple(np.empty(0, np.int32) for _ in range(len(vectors))))
