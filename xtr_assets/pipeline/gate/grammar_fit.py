"""Whether a text is code of the language that its suffix says: by tree-sitter itself, and no way of the chunker's."""

from xtr_assets.core.chunking.code_grammar import LANGUAGES

# The share of a text in errors above which a parser makes nothing of it: JavaScript with the types of Flow, packages of
# PL/SQL, Raku and Prolog under suffixes of Perl have 0.45 and more.
MOST_ERRORS = 0.3


def fits(suffix: str, text: str) -> bool:
    """False where more of a text than that is in error to the grammar of its suffix, or where no parser is of that.

    >>> fits(".js", "function f(a) { return a }"), fits(".js", "type A = {| +b: ?string |};")
    (True, False)
    """
    if suffix not in LANGUAGES:
        return False
    from tree_sitter_language_pack import get_parser

    data = text.encode()
    errors, waiting = 0, [get_parser(LANGUAGES[suffix].grammar).parse(data).root_node]  # type: ignore[arg-type]
    while waiting:
        node = waiting.pop()
        if node.is_error:
            errors += node.end_byte - node.start_byte
        elif node.has_error:
            waiting.extend(node.children)
    return errors <= MOST_ERRORS * len(data)
