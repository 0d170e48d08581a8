"""What people write around words: marks in headings, comments of many languages, metadata of every type."""

import json
import math
import random
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

# A heading of two texts, as it is written; every second one is wrong in some way that a parser has to forgive.
_MARKDOWN = (
    "# {a}",
    "## **{a}** {b}",
    "## `{a}` and *{b}*",
    "### [{a}](https://example.org/a(b)?c=%20#d) {b} {{#own-id .wide}}",
    "## {b} ![badge](https://example.org/x.svg) ##",
    "## ![{a}](x.png)",
    '## <a name="x"></a>{a} <kbd>{b}</kbd><br>',
    "## [{a}][1] [¶](#here)",
    "## **{a} `{b}* _",
    "## \\# {a} &amp; &lt;{b}&gt; \\*",
    "##",
    "{a} *{b}*\n---",
    "#### {a} {a} {a} {a} {a} {a} {a} {a} {a} {a} {a} {a} {a} {a} {a} {a}",
    "## {a}[^1]",
    "## ~~{a}~~ <https://example.org>",
)
_RST = (
    "{a}",
    "**{a}** {b}",
    ":mod:`!os.path` --- *{a}*",
    "The :ref:`{a} <a-target>`, ``{b}``",
    "`{a} <https://example.org>`__ {b}",
    ":class:`~package.module.Thing` {a}",
    "|{a}| [1]_ {b}",
    "{a}\\ s \\*{b}\\*",
    "**{a} ``{b}* :mod:`",
    "_`{a}` target_",
)
_ADORNED = "=-~^\"'`#*+."

# Definitions with what is said of them; {f} is a name, {a} a text of one line.
_TONGUES = {
    ".r": "#' {a}\n#'\n#' @param x {b}\n#' @export\n{f} <- function(x) {{\n  x\n}}",
    ".lua": "--- {a}\n-- @param x any\nfunction {f}(x)\n  return x\nend",
    ".jl": '"""\n    {f}(x)\n\n{a}\n"""\nfunction {f}(x)\n    return x\nend',
    ".ps1": "<#\n.SYNOPSIS\n{a}\n.DESCRIPTION\n{b}\n#>\nfunction {f} {{\n  return 1\n}}",
    ".ex": 'defmodule M{f} do\n  @doc """\n  {a}\n  """\n  @spec {f}(any) :: any\n  def {f}(x), do: x\nend',
    ".erl": "%% @doc {a}\n%% {b}\n{f}(X) ->\n  X.",
    ".ml": "(** {a} *)\nlet {f} x =\n  x",
    ".graphql": '"""\n{a}\n"""\ntype T{f} {{\n  "{b}"\n  x: Int\n}}',
    ".cs": '/// <summary>\n/// {a} <see cref="X"/>\n/// </summary>\npublic class C{f} {{\n  void Go() {{ }}\n}}',
    ".pl": "=head2 {f}\n\n{a}\n\n=cut\n\nsub {f} {{\n  return 1;\n}}",
    ".go": "// {f} {a}\nfunc {f}(x int) int {{\n\treturn x\n}}",
    ".rb": "# {a}\n#\n# @return [Integer]\ndef {f}(x)\n  x\nend",
    ".swift": "/// {a}\n/// - Parameter x: {b}\nfunc {f}(x: Int) -> Int {{\n  return x\n}}",
    ".sql": "-- {a}\nCREATE FUNCTION {f}() RETURNS int AS $$ SELECT 1 $$ LANGUAGE sql;",
    ".rs": "/// {a}\n#[inline]\npub fn {f}(x: u32) -> u32 {{\n    x\n}}",
    ".java": "class J{f} {{\n  /** {a} {{@link X}}\n   * @param x {b} */\n  int {f}(int x) {{ return x; }}\n}}",
}
TONGUES = tuple(_TONGUES)
# Signs that would end a comment or a string of one of them.
_ENDS = str.maketrans(dict.fromkeys("\"'*\\{}()[]<>#=$@%`/\n", " "))


def headed(draw: random.Random, title: Callable[[], str], text: Callable[[], str], suffix: str) -> str:
    """A section of Markdown (`.md`) or reStructuredText (`.rst`) under a heading with marks, or none that is whole."""
    first, last = title(), title()
    if suffix == ".md":
        return f"{draw.choice(_MARKDOWN).format(a=first, b=last)}\n\n{text()}"
    heading = draw.choice(_RST).format(a=first, b=last)
    # An adornment is as wide as its title where letters are; wider does no harm.
    return f"{heading}\n{draw.choice(_ADORNED) * (2 * len(heading) + 2)}\n\n{text()}"


# What a file of Markdown begins with.
_FRONTS = (
    "",
    "---\ntitle: {a}\nweight: 3\n---\n",
    '---\nlayout: page\ntitle: "{a}"\ntags: [x, y]\n\ndescription: >\n  {b}\n---\n\n',
    "+++\nweight = 3\ntitle = '''{a}'''\n[params]\nx = 1\n+++\n",
    "---\n\n{a}\n\n---\n\n",
)


def fronted(draw: random.Random, title: Callable[[], str]) -> str:
    """Front matter, a rule that looks like the beginning of one, or nothing."""
    return draw.choice(_FRONTS).format(a=title(), b=title())


def told(draw: random.Random, name: str, text: Callable[[], str], suffix: str) -> str:
    """A definition of a language, with what is said of it above."""
    said = [" ".join(text().translate(_ENDS).split())[:300] or "nothing" for _ in range(2)]
    return _TONGUES[suffix].format(f=name, a=said[0], b=said[1]) + draw.choice(("", "\n", "\n\n"))


# Forms of configuration: `f` is what is called so, `a` a comment above it, `b` a text of it as JSON.
_FORMS = {
    ".yml": "# {a}\n{f}:\n  image: shop/{f}\n  says: {b}\n  ports: [80, 443]\n",
    ".toml": "# {a}\n[{f}]\nimage = 'shop/{f}'\nsays = {b}\n",
    ".mk": "# {a}\n{f}: build\n\t@echo {f}\n",
    ".dockerfile": "# {a}\nFROM base AS {f}\nRUN echo {f}\n",
}
FORMS = tuple(_FORMS)


def configured(draw: random.Random, name: str, text: Callable[[], str], suffix: str) -> str:
    """What a file of configuration calls by a name, with what is said of it above."""
    said = [" ".join(text().translate(_ENDS).split())[:300] or "nothing" for _ in range(2)]
    held = json.dumps(said[1], ensure_ascii=draw.random() < 0.5)
    return _FORMS[suffix].format(f=name, a=said[0], b=held) + draw.choice(("", "\n", "\n\n"))


# Fields of metadata, by what they hold; a record has some of them. Names as people give columns.
FIELDS = ("tag", "count", "ratio", "seen", "when", "who is it", "größe", "deep", "empty", "mixed")


def odd_metadata(draw: random.Random, word: Callable[[], str]) -> dict[str, Any]:
    """Values of JSON of every type, absent ones, and types that differ from record to record."""
    made: dict[str, Callable[[], Any]] = {
        "tag": lambda: draw.choice((word(), "", " ", "🎉", word() * 40, "null", "\u202eabc", "a\u0301")),
        "count": lambda: draw.choice((0, -1, 2**31, 2**53 + 1, -(2**63), draw.randrange(10))),
        "ratio": lambda: draw.choice((0.0, -0.0, 1e-300, 1e300, 0.1 + 0.2, draw.random())),
        "seen": lambda: draw.choice((True, False, None)),
        "when": lambda: draw.choice(("2024-02-29", "1999-12-31T23:59:60Z", "now", None)),
        "who is it": lambda: [word() for _ in range(draw.randrange(4))],
        "größe": lambda: {"a": draw.randrange(3), "b": [None, {}]},
        "deep": lambda: [[[[[[word()]]]]]],
        "empty": lambda: draw.choice(([], {}, "", None)),
        "mixed": lambda: draw.choice((1, "1", 1.0, True, [1], {"1": 1}, None)),
    }
    return {name: made[name]() for name in FIELDS if draw.random() < 0.7}


def typed_columns(draw: random.Random, word: Callable[[], str]) -> dict[str, Any]:
    """Values that a column of Parquet has and JSON has not: of one type each, or none."""
    moment = datetime(2024, 2, 29, 12, 30, 5, 7) + timedelta(days=draw.randrange(4000))
    made: dict[str, Any] = {
        "tag": word(),
        "count": draw.randrange(-5, 5),
        "ratio": draw.choice((math.nan, math.inf, 0.5)),
        "seen": moment,
        "when": date(1969, 12, 31),
        "who is it": [word(), word()],
        "größe": {"a": Decimal("1.50"), "b": timedelta(hours=draw.randrange(50))},
    }
    # A file without a column that the source names is refused.
    return {name: made[name] if name in made and draw.random() < 0.8 else None for name in FIELDS}
