"""A query that is a name and nothing else: `asyncio.gather`, `Path.rglob`, `shuffle()`. Which chunks bear it.

Whoever types the name of a thing wants that thing, and of all chunks that speak of it the one that is it. Names in a
sentence ("how to use asyncio.gather") are words like others: there another chunk may be the answer.
"""

import re

from xtr_assets.core.text_fold import fold

# Words of letters, digits and underscores, joined by dots, that begin as names do in every language that we read; the
# parentheses of a call may stand behind.
_NAME = re.compile(r"\s*([^\W\d]\w*(?:\.[^\W\d]\w*)*)(?:\(\))?\s*")
# What joins the parts of a symbol: `Path.rglob`, `Runner::run`, headings in `Serving > Bounds`.
_JOINT = re.compile(r"\.|::| > ")
# A path may be 4,096 characters long: what is longer than any name is none.
MOST_CHARACTERS = 256

Name = tuple[str, ...]


def asked_name(text: str) -> Name | None:
    """The words of the name that a query is, folded; None where it is not a name alone.

    >>> asked_name("Path.rglob"), asked_name(" shuffle() "), asked_name("shuffle a list")
    (('path', 'rglob'), ('shuffle',), None)
    """
    # Folded first: an accent that stands by itself, as a Mac writes it, is no letter.
    if len(text) > MOST_CHARACTERS or (found := _NAME.fullmatch(fold(text))) is None:
        return None
    words = tuple(found[1].split("."))
    return words if all(any(map(str.isalnum, word)) for word in words) else None


def bears(name: Name, path: str, symbol: str) -> bool:
    """Whether a chunk has this name: it ends the symbol as qualified by folders and module, whole words of it; or it is
    the whole symbol behind one of these, as a package shows what its modules define.

    >>> bears(("cancel",), "asyncio/tasks.py", "Task.cancel"), bears(("task",), "asyncio/tasks.py", "Task.cancel")
    (True, False)
    >>> bears(("asyncio", "gather"), "asyncio/tasks.py", "gather")
    True
    """
    if not symbol:
        return False
    own = tuple(_JOINT.split(fold(symbol)))
    if own[-1] != name[-1]:
        return False
    if name == own[-len(name) :]:
        return True
    *folders, file = fold(path).split("/")
    module = file.partition(".")[0]
    holders = (*folders, *(() if module in ("", "__init__") else (module,)))
    return name == (*holders, *own)[-len(name) :] or (name[1:] == own and name[0] in holders)
