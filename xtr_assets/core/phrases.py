"""Whether a text holds a phrase, word for word."""

from functools import lru_cache

import regex

from xtr_assets.core.text_fold import LETTER, fold

_SPACE = regex.compile(r"\s+")
# Words of scripts without spaces touch: a phrase may begin and end anywhere in them.
_WORD = regex.compile(LETTER, regex.V1)


def holds_phrase(text: str, phrase: str) -> bool:
    """Whether the phrase stands in the text: the same words and punctuation in the same order.

    Both are folded (text_fold: no case, no accents) and any white space is one space. Where the phrase begins or ends
    with a word it is a whole word of the text, but in scripts that are written without spaces. A phrase of white space
    stands in every text.

    >>> holds_phrase("raise  Connection\\nRefused(reason)", "connection refused")
    True
    >>> holds_phrase("the gatherer", "gather"), holds_phrase("await asyncio.gather(a)", "gather")
    (False, True)
    """
    pattern = _pattern(phrase)
    return pattern is None or pattern.search(_SPACE.sub(" ", fold(text))) is not None


@lru_cache(maxsize=64)
def _pattern(phrase: str) -> "regex.Pattern[str] | None":
    folded = _SPACE.sub(" ", fold(phrase)).strip()
    if not folded:
        return None
    before = rf"(?<!{_WORD.pattern})" if _WORD.match(folded[0]) else ""
    after = rf"(?!{_WORD.pattern})" if _WORD.match(folded[-1]) else ""
    return regex.compile(before + regex.escape(folded, literal_spaces=True) + after, regex.V1)
