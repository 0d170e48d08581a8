"""Sentence boundaries in any script, for splitting texts and for drawing queries from them."""

# A full stop needs white space after it, since one stands in numbers and names (3.5, e.g.): Latin, Greek, Cyrillic, the
# Arabic and Urdu marks, the danda of Indic scripts, Armenian, Ethiopic, Khmer, Myanmar, Tibetan, the ellipsis.
SPACED_STOPS = (
    ".!?\u037e\u0589\u061f\u06d4\u0964\u0965\u0f0d\u0f0e\u104a\u104b\u1362\u1367\u1368\u17d4\u17d5"
    "\u203c\u2047\u2048\u2049\u2026"
)
# Those of Chinese and Japanese need none. Thai and Lao have no stop: a space ends a sentence or a clause.
STOPS = "\u3002\uff01\uff1f\uff61\uff0e"
# Quotes and brackets that close after the stop belong to the sentence.
CLOSING = "\"')\\]\u00bb\u2019\u201d\u3009\u300b\u300d\u300f\u3011\uff09\uff3d\uff63"

# What follows a sentence, to be searched: the stop, what closes, and the white space.
SENTENCE_END = f"[{SPACED_STOPS}][{CLOSING}]*\\s+|[{STOPS}]+[{CLOSING}]*\\s*"
