"""One form for texts that a reader takes for the same: what terms are made of and phrases are compared in."""

import unicodedata

import regex

# A character (a set for `regex`, V1) of the scripts whose words touch, and of Korean, whose endings are written on to
# their words.
SPACELESS = r"[[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}ー]&&[\p{L}\p{M}\p{N}]]"

# And one of a word of all other scripts.
LETTER = rf"[[\p{{L}}\p{{M}}\p{{N}}_]--{SPACELESS}]"

# Marks over and under Latin, Greek and Cyrillic letters, the vowel points of Hebrew and Arabic (which readers leave
# out) and the stroke that lengthens Arabic words; then what has no width: soft hyphens, joiners, signs of direction,
# variation selectors. Marks of other scripts are letters to their readers and stay.
UNSEEN = (
    "[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0640\u064b-\u0652\u0670"
    "\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe00-\ufe0f\ufeff]"
)
_LEFT_OUT = regex.compile(f"{UNSEEN}+")
# Marks are put in order by insertion: a megabyte of them alone would take hours. No writing has thirty on a letter
# (UAX 15, Stream-Safe Text Format); what follows them is left out.
_MARKS_TOO_MANY = regex.compile(r"(\p{M}{30})\p{M}+")
# The dotless i of Turkish, whose capital is the I of everybody.
_DOTLESS = {0x131: "i"}


def fold_form(text: str) -> str:
    """The text in compatibility form (NFKC) without accents and without what has no width. Case is kept.

    Accents go so that `cafe` finds `café`; so do the marks of Cyrillic and Greek letters. Never raises: halves of
    characters (surrogates) and NULs stay what they are.

    >>> fold_form("Ｃａｆé ﬁne"), fold_form("İstanbul")
    ('Cafe fine', 'Istanbul')
    """
    if text.isascii():
        return text
    apart = unicodedata.normalize("NFKD", _MARKS_TOO_MANY.sub(r"\1", text))
    return unicodedata.normalize("NFKC", _LEFT_OUT.sub("", apart)).translate(_DOTLESS)


def fold(text: str) -> str:
    """`fold_form` without case.

    >>> fold("STRASSE") == fold("Straße")
    True
    """
    return fold_form(text).casefold()
