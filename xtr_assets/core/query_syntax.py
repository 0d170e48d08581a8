"""What a query may demand beside its words: a small grammar.

    "exact phrase"    the text holds these words in this order, with this punctuation; case and white space are free
    +must             the text holds this word or name
    +"exact phrase"   the text holds these words, whatever else may be

What is quoted and held by nothing is asked by its words (`unquoted`): people quote what they remember, and programs the
whole question. In a text of more than MOST_BESIDE words beside its quotes they demand nothing. A plus is meant.

A quote opens a phrase at the start of a word, a plus before a letter, an underscore or a quote demands: `print("x")`,
`a + b` and `C++` are words like any other. A quote that is not closed, a phrase without a letter or a digit, and
demands beyond MOST_DEMANDS are words too. So are the quotes around the path of a place (`File "x.py", line 3`), and all
of what a tool wrote that names lines (asked_place.py). With the syntax "plain" everything is, and no spelling is
corrected.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import Literal, get_args

from xtr_assets.core.asked_place import is_pasted, place_spans
from xtr_assets.core.errors import InvalidInput

Syntax = Literal["terms", "plain"]
SYNTAXES: tuple[Syntax, ...] = get_args(Syntax)

# Each is looked for in every text that might hold them all.
MOST_DEMANDS = 16
# Who writes more words beside quotes tells a story, and quotes what is said in it.
MOST_BESIDE = 24

# No alternative scans past the next quote: a megabyte of quotes is read once.
_DEMAND = re.compile(
    r"""(?<!\S)(?:
        \+?" (?P<straight> [^"]* ) " (?!\w)
      | \+?“ (?P<curly> [^“”]* ) ” (?!\w)
      | \+ (?P<must> [^\W\d] \S* )
    )""",
    re.VERBOSE,
)
_WORD_CHARACTER = re.compile(r"[^\W_]")
# What ends a clause behind a demanded word is not part of it.
_AFTER_WORD = ".,;:!?)\"'”"


@dataclass(frozen=True, slots=True)
class Query:
    """A query taken apart.

    text : what encoders and terms see, without the marks of the grammar
    phrases, required : what a text must hold, each once, in the order given
    """

    text: str
    phrases: tuple[str, ...] = ()
    required: tuple[str, ...] = ()


def parse_query(text: str, syntax: Syntax = "terms") -> Query:
    """Take a query apart. Any text is a query; an unknown syntax raises InvalidInput.

    >>> parse_query('stop "on error" +gather')
    Query(text='stop on error gather', phrases=('on error',), required=('gather',))
    >>> parse_query('timeout "connection refused"', "plain").phrases
    ()
    """
    if syntax not in SYNTAXES:
        raise InvalidInput(f"syntax is {syntax!r}; use one of {', '.join(SYNTAXES)}")
    if syntax == "plain" or not ('"' in text or "“" in text or "+" in text):
        return Query(text)
    if is_pasted(text):
        return Query(text)
    phrases: dict[str, None] = {}
    required: dict[str, None] = {}
    spans = place_spans(text)
    starts = [start for start, _ in spans]

    def unmarked(found: re.Match[str]) -> str:
        phrase = found["straight"] if found["straight"] is not None else found["curly"]
        demanded = phrase if phrase is not None else found["must"].rstrip(_AFTER_WORD)
        kind = required if found[0].startswith("+") else phrases
        known = demanded in kind or len(phrases) + len(required) < MOST_DEMANDS
        before = bisect_right(starts, found.start()) - 1
        if phrase is not None and before >= 0 and found.end() <= spans[before][1]:
            return found[0]
        if not known or not _WORD_CHARACTER.search(demanded):
            return found[0]
        kind[demanded.strip()] = None
        return phrase if phrase is not None else found["must"]

    plain = _DEMAND.sub(unmarked, text)
    if phrases and len(plain.split()) - sum(len(one.split()) for one in phrases) > MOST_BESIDE:
        phrases.clear()
    return Query(plain, tuple(phrases), tuple(required))


def unquoted(query: Query) -> Query | None:
    """What is asked where nothing holds what a query quotes: its words. None where it quotes nothing, or a plus is
    among its demands.

    >>> unquoted(parse_query('why do I get "no such file" here'))
    Query(text='why do I get no such file here', phrases=(), required=())
    >>> unquoted(parse_query('+open "no such file"')), unquoted(parse_query('+"no such file"'))
    (None, None)
    """
    return Query(query.text) if query.phrases and not query.required else None


def demands(text: str, syntax: Syntax) -> bool:
    """Whether a text demands words or phrases.

    >>> demands("a +must", "terms"), demands("a +must", "plain")
    (True, False)
    """
    parsed = parse_query(text, syntax)
    return bool(parsed.required or parsed.phrases)
