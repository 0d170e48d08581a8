"""The words of a heading of AsciiDoc, Org or LaTeX that a reader sees: without marks, targets of links and labels."""

import html
import re
import unicodedata

from xtr_assets.core.chunking.heading_words import MOST_PARSED

_WORD = re.compile(r"\w")
_KEPT = re.compile("\0(\\d+)\0")


class _Literals:
    """What stands as it is written, kept aside while marks are taken away."""

    def __init__(self) -> None:
        self._held: list[str] = []

    def keep(self, text: str) -> str:
        self._held.append(text)
        return f"\0{len(self._held) - 1}\0"

    def put(self, text: str) -> str:
        while _KEPT.search(text):
            text = _KEPT.sub(lambda found: self._held[int(found[1])], text)
        return text


_ANCHOR = re.compile(r"\[\[[^\[\]]*\]\]|\[\[\[[^\[\]]*\]\]\]|\(\(\([^()]*\)\)\)")
_PASSED = re.compile(r"\+\+\+(.+?)\+\+\+|pass:[a-z,]*\[([^\]]*)\]|\+\+(.+?)\+\+|(?<!\w)\+(?=\S)([^+]*?)(?<=\S)\+(?!\w)")
_REFERENCE = re.compile(r"<<([^<>,]+)(?:,([^<>]+))?>>")
_MACRO = re.compile(r"(?<![\w\\])([A-Za-z][\w+.-]*):([^\s\[\]:]*(?::[^\s\[\]]*)?)\[((?:\\\]|[^\]])*)\]")
_UNSEEN = frozenset({"footnote", "footnoteref", "indexterm", "anchor", "bibanchor", "icon"})
_SIGNS = {
    "nbsp": " ", "sp": " ", "empty": "", "blank": "", "zwsp": "", "wj": "", "apos": "'", "quot": '"', "lsquo": "'",
    "rsquo": "'", "ldquo": '"', "rdquo": '"', "deg": "\u00b0", "plus": "+", "brvbar": "\u00a6", "vbar": "|",
    "amp": "&", "lt": "<", "gt": ">", "startsb": "[", "endsb": "]", "caret": "^", "asterisk": "*", "tilde": "~",
    "backslash": "\\", "backtick": "`", "two-colons": "::", "two-semicolons": ";;", "cpp": "C++", "pp": "++",
}  # fmt: skip
_SIGN = re.compile(rf"\{{({'|'.join(_SIGNS)})\}}")
_QUOTED = re.compile(r"([\"'])`(?=\S)([^`]*?)(?<=\S)`\1")
_FREE = tuple(re.compile(rf"(?:\[[^\[\]]*\])?{mark}(.+?){mark}") for mark in ("``", r"\*\*", "__", "##"))
_TIGHT = tuple(
    re.compile(rf"(?<![\w;:}}\\])(?:\[[^\[\]]*\])?{mark}(?=\S)([^{mark}]*?)(?<=\S){mark}(?!\w)")
    for mark in map(re.escape, "`*_#")
)
_RAISED = re.compile(r"(?<!\\)\^([^\s^]+)\^|(?<!\\)~([^\s~]+)~")
_ESCAPED = re.compile(r"\\(?=[*_`#^~+\[\]{<(&:]|\w+:)")


def asciidoc_words(text: str) -> str:
    """What stands in a title of AsciiDoc. Attributes of the document stay as they are written.

    >>> asciidoc_words("[[x]]The *`push`* command, xref:pull.adoc[see pull] (((push)))"), asciidoc_words("`color.*`")
    ('The push command, see pull', 'color.*')
    """
    held = _Literals()
    plain = _ANCHOR.sub("", text[:MOST_PARSED].replace("\0", ""))
    plain = _PASSED.sub(lambda found: held.keep(next(one for one in found.groups() if one is not None)), plain)
    plain = re.sub(r"\(\(([^()]+)\)\)", r"\1", plain)
    plain = _REFERENCE.sub(lambda found: found[2] or found[1], plain)
    words = _MACRO.sub(lambda found: _macro(found, pictures=False), plain)
    plain = words if _WORD.search(words) else _MACRO.sub(lambda found: _macro(found, pictures=True), plain)
    plain = _QUOTED.sub(r"\1\2\1", plain)
    for mark in (*_FREE, *_TIGHT):
        plain = mark.sub(r"\1", plain)
    plain = _RAISED.sub(lambda found: found[1] or found[2], plain)
    plain = _SIGN.sub(lambda found: _SIGNS[found[1]], plain)
    return " ".join(held.put(html.unescape(_ESCAPED.sub("", plain))).split())


def _macro(found: re.Match[str], *, pictures: bool) -> str:
    """What a reader sees of a macro: what stands in its brackets, or its target where nothing does."""
    name, target, inside = found[1].lower(), found[2], found[3].replace("\\]", "]")
    if name in _UNSEEN or (name == "image" and not pictures):
        return ""
    if name in ("kbd", "btn", "stem", "latexmath", "asciimath", "indexterm2"):
        return inside
    if name == "menu":
        return f"{target} {inside}".strip()
    first = inside.strip()
    if first.startswith('"') and first.count('"') > 1:
        first = first[1:].partition('"')[0]
    elif re.search(r",\s*[\w-]+=|^[\w-]+=", first):
        first = re.split(r",?\s*[\w-]+=", first, maxsplit=1)[0]
    said = first.removesuffix("^").strip()
    return said or (f"{name}:{target}" if name in ("http", "https", "ftp", "irc") else target)


_ORG_LINK = re.compile(r"\[\[((?:[^\[\]\\]|\\.)+)\](?:\[(.+?)\])?\]")
_ORG_TARGET = re.compile(r"<<<?([^<>\n]+)>>>?")
_ORG_NOTE = re.compile(r"\[fn:[^\[\]]*\]|\[\d+(?:/\d+|%)?\]$|\[(?:\d*/\d*|\d*%)\]")
_ORG_MACRO = re.compile(r"\{\{\{[\w-]+(?:\((.*?)\))?\}\}\}")
_ORG_LITERAL = re.compile(r"(?<![^\s\-('\"{])([=~])(?=\S)(.+?)(?<=\S)\1(?![^\s\-.,;:!?'\")}\[\\])")
_ORG_MARKS = tuple(
    re.compile(rf"(?<![^\s\-('\"{{*/_+]){mark}(?=[^\s])(.+?)(?<=\S){mark}(?![^\s\-.,;:!?'\")}}\[\\*/_+])")
    for mark in (r"\*", "/", "_", r"\+")
)
_ORG_ENTITY = re.compile(r"\\([A-Za-z]+)(?:\{\}|(?![A-Za-z]))")


def org_words(text: str) -> str:
    """What stands in a headline of Org, whose state, priority and tags are away.

    >>> org_words("The /very/ ~fast~ [[https://example.org][parser]] of =a_b=[fn:1]"), org_words("{{{kbd(C-c)}}} key")
    ('The very fast parser of a_b', 'C-c key')
    """
    held = _Literals()
    plain = _ORG_LITERAL.sub(lambda found: held.keep(found[2]), text[:MOST_PARSED].replace("\0", ""))
    plain = _ORG_LINK.sub(lambda found: found[2] or found[1].removeprefix("*").removeprefix("#"), plain)
    plain = _ORG_MACRO.sub(lambda found: (found[1] or "").replace("\\,", ","), plain)
    plain = _ORG_NOTE.sub("", _ORG_TARGET.sub(r"\1", plain))
    for mark in _ORG_MARKS:
        plain = mark.sub(r"\1", plain)
    plain = _ORG_ENTITY.sub(lambda found: _entity(found[1]), plain)
    return " ".join(held.put(plain).split())


def _entity(name: str) -> str:
    """A sign that HTML knows by this name, as Org and mathematics do; the name where it knows none."""
    sign = html.unescape(f"&{name};")
    return name if len(sign) > len(name) else sign


_ACCENTS = {
    "'": "\u0301", "`": "\u0300", "^": "\u0302", '"': "\u0308", "~": "\u0303", "=": "\u0304", ".": "\u0307",
    "u": "\u0306", "v": "\u030c", "H": "\u030b", "c": "\u0327", "k": "\u0328", "r": "\u030a", "d": "\u0323",
}  # fmt: skip
_ACCENTED = re.compile(
    r"\\([\'`^\"~=.])[ \t]*(?:\{[ \t]*(\\?[A-Za-z])[ \t]*\}|(\\?[A-Za-z]))"
    r"|\\([uvHckrd])(?:\{[ \t]*(\\?[A-Za-z])[ \t]*\}|[ \t]+([A-Za-z]))"
)
_LETTERS = {
    "ss": "\u00df", "o": "\u00f8", "O": "\u00d8", "l": "\u0142", "L": "\u0141", "ae": "\u00e6", "AE": "\u00c6",
    "oe": "\u0153", "OE": "\u0152", "aa": "\u00e5", "AA": "\u00c5", "i": "i", "j": "j",
}  # fmt: skip
_SPACES = frozenset({"quad", "qquad", "newline", "linebreak", "par", "hfill", "space", "enspace", "thinspace"})
_SWITCHES = frozenset(
    [
        "bf",
        "it",
        "em",
        "rm",
        "sc",
        "sf",
        "tt",
        "sl",
        "up",
        "md",
        "bfseries",
        "itshape",
        "scshape",
        "sffamily",
        "ttfamily",
        "rmfamily",
        "upshape",
        "slshape",
        "mdseries",
        "normalfont",
        "tiny",
        "scriptsize",
        "footnotesize",
        "small",
        "normalsize",
        "large",
        "Large",
        "LARGE",
        "huge",
        "Huge",
        "protect",
        "noindent",
        "centering",
        "raggedright",
        "leavevmode",
        "boldmath",
        "unboldmath",
        "left",
        "right",
        "displaystyle",
        "textstyle",
        "limits",
        "nolimits",
        "ignorespaces",
        "relax",
        "xspace",
        "allowbreak",
        "nobreak",
        "par",
        "footnotemark",
    ]
)
_UNSAID = (
    r"label|index|footnote|footnotetext|thanks|[a-zA-Z]*cite[a-zA-Z]*|ref|eqref|autoref|pageref|vspace|hspace|color"
)
_ARGUMENT = r"[ \t]*\{([^{}]*)\}"
_OPTION = r"\*?(?:[ \t]*\[[^\[\]]*\])*"
_SECOND = re.compile(
    rf"\\(?:texorpdfstring|textcolor|href|hyperlink|hypertarget|colorbox|foreignlanguage){_OPTION}{_ARGUMENT}{_ARGUMENT}"
)
_DROPPED = re.compile(rf"\\(?:{_UNSAID}){_OPTION}{_ARGUMENT}")
_ONE = re.compile(rf"\\([A-Za-z@]+){_OPTION}{_ARGUMENT}")
_TWO = re.compile(r"\\(?:texorpdfstring|textcolor|href|hyperlink|hypertarget|colorbox|foreignlanguage)(?![A-Za-z])")
# A group; not the argument of a macro.
_GROUP = re.compile(r"(\\[A-Za-z@]+\*?(?:\[[^\[\]]*\])*(?:[ \t]*\{[^{}]*\})+|[\]}*]\{[^{}]*\})|\{([^{}]*)\}")
_NAME = re.compile(r"\\([A-Za-z@]+)(?:[ \t]+|(?![A-Za-z@]))")
# Each round takes one pair of braces away, or more.
_ROUNDS = 100


def latex_words(text: str) -> str:
    r"""What stands in a title of LaTeX; a macro that is not known is its argument, or its name.

    >>> latex_words(r"The \emph{\"{U}ber} \texorpdfstring{$\Pi$}{Pi}-types~\label{x} of \LaTeX\ \& $\Sigma$")
    'The \xdcber Pi-types of LaTeX & \u03a3'
    """
    held = _Literals()
    plain = text[:MOST_PARSED].replace("\0", "")
    plain = plain.replace("\\\\", " ").replace("\\ ", " ").replace("\n", " ")
    plain = re.sub(r"\\([&%$#_{}])", lambda found: held.keep(found[1]), plain)
    plain = _ACCENTED.sub(_accented, plain)
    plain = re.sub(r"\\[,;:!/()@-]", "", plain)
    plain = _NAME.sub(_named, plain).replace("$", "").replace("~", " ")
    for _ in range(_ROUNDS):
        shorter = _DROPPED.sub("", _SECOND.sub(r"\2", plain))
        shorter = _ONE.sub(lambda found: found[0] if _TWO.match(found[0]) else found[2] or found[1], shorter)
        shorter = _GROUP.sub(lambda found: found[1] or found[2], shorter)
        if shorter == plain:
            break
        plain = shorter
    plain = plain.replace("{", "").replace("}", "").replace("``", '"').replace("''", '"')
    plain = plain.replace("---", "\u2014").replace("--", "\u2013")
    plain = re.sub(r"\\([A-Za-z@]+)", r"\1", plain)
    return " ".join(held.put(plain).split())


def _accented(found: re.Match[str]) -> str:
    mark = _ACCENTS[found[1] or found[4]]
    letter = next(one for one in (found[2], found[3], found[5], found[6]) if one).removeprefix("\\")
    return unicodedata.normalize("NFC", letter + mark)


def _named(found: re.Match[str]) -> str:
    name = found[1]
    if name in _LETTERS:
        return _LETTERS[name]
    if name in _SPACES:
        return " "
    if name in _SWITCHES:
        return ""
    if name in ("ldots", "dots", "textellipsis"):
        return "\u2026"
    # What has an argument is no sign: `\ac{LED}` is an acronym, and `\num{5}` a number.
    argued = re.match(r"\{[^}]", found.string[found.end() : found.end() + 2])
    sign = name if argued else _entity(name)
    return found[0] if sign == name else sign + found[0][len(name) + 1 :]
