"""Long encoding in deterministic blocks, so that a run that died goes on where it stopped."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from xtr_assets.core.errors import InvalidInput, UnusableText
from xtr_assets.core.types import Ints
from xtr_assets.encoders.base import Encoded, Encoder, Progress

# A crash costs at most one block: 1,000,000 characters are about 250,000 tokens, half a minute on two cores.
BLOCK_TEXTS = 2048
BLOCK_CHARS = 1_000_000


def plan_blocks(
    lengths: Sequence[int] | Ints, block_texts: int = BLOCK_TEXTS, block_chars: int = BLOCK_CHARS
) -> list[Ints]:
    """Positions of texts of like length together, longest first; a function of the lengths alone.

    A block holds at most `block_texts` texts and, unless it is a single one, at most `block_chars` characters.

    >>> [block.tolist() for block in plan_blocks([5, 1, 9, 5, 1], block_texts=3, block_chars=10)]
    [[2], [0, 3], [1, 4]]
    """
    if block_texts < 1 or block_chars < 1:
        raise InvalidInput(f"block_texts is {block_texts}, block_chars {block_chars}; both must be at least 1")
    length = np.asarray(lengths, np.int64)
    order = np.argsort(-length, kind="stable")
    # reach[j] characters lie before the j-th text of this order.
    reach = np.concatenate([[0], np.cumsum(length[order])])
    blocks = []
    start = 0
    while start < len(order):
        fits = int(np.searchsorted(reach, reach[start] + block_chars, side="right")) - 1
        stop = min(max(fits, start + 1), start + block_texts, len(order))
        blocks.append(order[start:stop])
        start = stop
    return blocks


def encode_blocks(
    encoder: Encoder,
    texts: Sequence[str],
    *,
    done: Callable[[int], Encoded | None],
    save: Callable[[int, Encoded], None],
    progress: Progress | None = None,
    block_texts: int = BLOCK_TEXTS,
    block_chars: int = BLOCK_CHARS,
) -> Iterator[tuple[Ints, Encoded]]:
    """Encode `texts` block by block; finished blocks are taken from `done`, new ones handed to `save`.

    Yields (indices int64 [b], the block's Encoded): text `indices[i]` is row i of the block. Every text comes once,
    blocks in the order of `plan_blocks`; one block is in memory at a time. `done(number)` gives a block that an earlier
    run saved for the same texts and encoder, or None. Raises UnusableText naming the place in `texts`.
    """
    for number, indices in enumerate(plan_blocks([len(text) for text in texts], block_texts, block_chars)):
        block = done(number)
        if block is None:
            try:
                block = encoder.encode_documents([texts[i] for i in indices], progress)
            except UnusableText as error:
                raise UnusableText(int(indices[error.index]), error.problem) from error
            save(number, block)
        else:
            _check(number, block, len(indices), encoder)
            if progress is not None:
                progress(len(indices))
        yield indices, block


def _check(number: int, block: Encoded, texts: int, encoder: Encoder) -> None:
    found = (len(block), block.embeddings.shape[1], block.tokens.shape[1])
    expected = (texts, encoder.dim, encoder.token_dim)
    if found != expected:
        raise InvalidInput(
            f"the saved block {number} holds (texts, dim, token_dim) {found}, {expected} are expected; it is of other "
            "texts or another encoder: remove the staged blocks and build again"
        )
