"""Where tokens stand in the text that they were made of, found again by their strings.

No offsets are stored beside token ids. An encoder's tokens follow each other without gaps but for white space and the
punctuation that it leaves out, so that a walk along the text finds each again.
"""

import re
import unicodedata
from collections.abc import Sequence

Span = tuple[int, int]

# Letters and digits; "_" is punctuation to a word-piece tokenizer.
_WORD = re.compile(r"[^\W_]")
# Characters that are looked at: the 256 word pieces of a window are some 1,000. Beyond, a hit is too long to be read.
MOST_CHARACTERS = 50_000
# After a token that cannot be found (an unknown word, a marker of the model) the next is looked for so far ahead.
AHEAD = 256


def token_spans(tokens: Sequence[str], text: str) -> list[Span | None]:
    """(start, end) in `text` of each of its tokens, in order; None for one that is not found.

    tokens : as a tokenizer writes them: `##` before the continuation of a word, or `▁` before a word.

    >>> token_spans(["parse", "from", "##iso", "[UNK]", "date"], "Parse_fromISO(«», date)")
    [(0, 5), (6, 10), (10, 13), None, (18, 22)]
    """
    folded, origin = _folded(text[:MOST_CHARACTERS])
    spans: list[Span | None] = []
    at = missing = 0
    for token in tokens:
        word, continued = _bare(token)
        start = _found(folded, word, continued, at, AHEAD * missing) if word else -1
        if start < 0:
            spans.append(None)
            missing += 1
            continue
        at, missing = start + len(word), 0
        spans.append((start, at) if origin is None else (origin[start], origin[at - 1] + 1))
    return spans


def _bare(token: str) -> tuple[str, bool]:
    continued = token.startswith("##") and len(token) > 2
    return (token[2:] if continued else token.lstrip("▁Ġ")).lower(), continued


def _found(text: str, word: str, continued: bool, at: int, ahead: int) -> int:
    """Where `word` begins: at once but for what is no word, or as far `ahead` as unfound tokens reach; -1 nowhere."""
    if text.startswith(word, at):
        return at
    if not continued:
        following = _WORD.search(text, at)
        last = len(text) if following is None else following.start()
        start = text.find(word, at, last + len(word))
        if start >= 0:
            return start
    if not ahead:
        return -1
    start = text.find(word, at, at + ahead + len(word))
    while start > 0 and not continued and _WORD.match(text, start) and _WORD.match(text, start - 1):
        # The end of another word.
        start = text.find(word, start + 1, at + ahead + len(word))
    return start


def _folded(text: str) -> tuple[str, list[int] | None]:
    """Lower case without accents, as word-piece tokenizers see it, and for each character where it came from; None
    where each stands in its place."""
    if text.isascii():
        return text.lower(), None
    characters: list[str] = []
    origin: list[int] = []
    for place, character in enumerate(text):
        kept = [one for one in unicodedata.normalize("NFD", character.lower()) if unicodedata.category(one) != "Mn"]
        characters += kept
        origin += [place] * len(kept)
    return "".join(characters), origin
