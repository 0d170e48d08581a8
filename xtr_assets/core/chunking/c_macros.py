"""What the preprocessor of C and C++ would have taken away, written over by blanks for a parser that comes before it.

Such a parser reads `class ARROW_EXPORT Buffer : public Base {` as a function of the type `class ARROW_EXPORT`, and a
brace that each of two branches of an `#if` opens as two braces. It does not come back to its senses until that class or
file ends: every name in it is lost. Bytes keep their places, so what is found has the lines that it has in the file.
"""

import re

# Lines of the preprocessor, continued ones included.
_DIRECTIVE = re.compile(rb"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", re.MULTILINE | re.DOTALL)
_KEYWORD = re.compile(rb"[ \t]*#[ \t]*([a-z]*)")
_NEVER = re.compile(rb"[ \t]*#[ \t]*if[ \t]+0[ \t]*$")
# What is a macro goes by how such names are written, capitals with underscores, and by what stands behind: a word, or
# the end of the line. Alone on a line any capitals are one (`Q_OBJECT`).
_CALL = rb"(?:\([^()\n]{0,200}+\))?"
# What begins a line and a body is a definition that a macro makes, and stays.
_BEFORE_A_WORD = re.compile(
    rb"(?P<kept>^[ \t]*+[A-Z_][A-Z0-9_]{2,80}+\([^()\n]{0,200}+\)\s{0,80}+\{)"
    rb"|(?<![\w\"'#])(?=[A-Z0-9_]{0,80}_)_{0,2}[A-Z][A-Z0-9_]{2,80}+" + _CALL + rb"(?=[ \t]++[\w~:\[]|[ \t]*+$)"
    rb"|^[ \t]*+_{0,2}[A-Z][A-Z0-9_]{2,80}+[ \t]*+$",
    re.MULTILINE,
)
# `static int __init start(void)`, `char __user *to`, `char* absl_nonnull to`: what stands between a type and a name.
_BETWEEN = re.compile(
    rb"(?<=[\w*] )__[a-z][a-z_]{1,40}+" + _CALL + rb"(?=[ \t]++[\w*])"
    rb"|(?<=[*&] )(?!(?:const|volatile|restrict|sizeof|new)\b)[a-z]\w{1,40}+(?=[ \t]++[A-Za-z_])"
)
# `void Lock() EXCLUSIVE_LOCK_FUNCTION() {`, `int used GUARDED_BY(mutex);`: what an analysis of locks writes behind.
_BEHIND = re.compile(
    rb"(?<=[\w)>*&\]])(?:[ \t]++\n?|\n)[ \t]*+(?=[A-Z0-9_]{0,80}_)[A-Z_][A-Z0-9_]{2,80}+"
    + _CALL
    + rb"(?=\s{0,80}+[{;=])"
)
_PRINTED = re.compile(rb"[^\n]")


def without_macros(data: bytes) -> bytes:
    """The bytes of a file with blanks for macros where no grammar expects a word; lines of the preprocessor stay."""
    pieces: list[bytes] = []
    begin = 0
    for directive in _DIRECTIVE.finditer(data):
        pieces += [_macros_blanked(data[begin : directive.start()]), directive[0]]
        begin = directive.end()
    pieces.append(_macros_blanked(data[begin:]))
    return b"".join(pieces)


def with_one_branch(data: bytes) -> bytes:
    """The bytes of a file with blanks for its conditions (`#if` to `#endif`) and for all branches but the first: the
    second where the first is `#if 0`. One that no `#endif` closes ends with the file."""
    pieces: list[bytes] = []
    begin = 0
    # Of each open condition: whether it stands in a branch that is kept, and whether it had one.
    open_: list[tuple[bool, bool]] = []
    kept = True
    for directive in _DIRECTIVE.finditer(data):
        pieces.append(data[begin : directive.start()] if kept else _blanks(data[begin : directive.start()]))
        begin = directive.end()
        found = _KEYWORD.match(directive[0])
        keyword = b"" if found is None else found[1]
        condition = True
        if keyword in (b"if", b"ifdef", b"ifndef"):
            open_.append((kept, kept and _NEVER.match(directive[0]) is None))
            kept = open_[-1][1]
        elif keyword in (b"elif", b"elseif", b"else", b"elifdef", b"elifndef") and open_:
            outer, had = open_.pop()
            kept = outer and not had
            open_.append((outer, had or kept))
        elif keyword == b"endif" and open_:
            kept = open_.pop()[0]
        else:
            condition = False
        pieces.append(directive[0] if kept and not condition else _blanks(directive[0]))
    pieces.append(data[begin:] if kept else _blanks(data[begin:]))
    return b"".join(pieces)


def _macros_blanked(code: bytes) -> bytes:
    for macro in (_BEFORE_A_WORD, _BETWEEN, _BEHIND):
        code = macro.sub(_blanked, code)
    return code


def _blanked(found: re.Match[bytes]) -> bytes:
    return found[0] if found.lastgroup == "kept" else _blanks(found[0])


def _blanks(code: bytes) -> bytes:
    return _PRINTED.sub(b" ", code)
