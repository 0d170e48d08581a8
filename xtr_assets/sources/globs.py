"""Which paths below a root belong to a source: include and exclude globs, and what is left out unless it is named."""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from unicodedata import normalize

from xtr_assets.core.errors import ConfigError

# Folders that hold copies, caches or other people's code. A pattern that names one as a component brings it back; so
# it is with hidden files and folders.
LEFT_OUT = frozenset({"__pycache__", "site-packages", "dist-packages", "node_modules"})


class Globs:
    """Include and exclude patterns over relative posix paths: case-sensitive but for suffixes (GUIDE.MD is a `*.md`),
    and composed or decomposed alike (macOS writes an accent as a letter of its own).

    `*` and `?` stay within a name, `[abc]` is a set, `**` as a component is any number of folders. A last component
    without wildcards names a file or a folder; a pattern that names a folder, or ends in `**`, includes the files below
    it that have one of `suffixes`, and excludes all files below it.
    """

    def __init__(self, include: Iterable[str], exclude: Iterable[str], suffixes: Iterable[str], source: str) -> None:
        self.suffixes = tuple(suffixes)
        self.include = tuple(include) or tuple(f"**/*{suffix}" for suffix in self.suffixes)
        self.exclude = tuple(exclude)
        included = [_components(folded(pattern), "include", source) for pattern in self.include]
        excluded = [_components(folded(pattern), "exclude", source) for pattern in self.exclude]
        # A folder may have a dot in its name, and no suffix.
        include_below = [_components(normalize("NFC", pattern), "include", source) for pattern in self.include]
        exclude_below = [_components(normalize("NFC", pattern), "exclude", source) for pattern in self.exclude]
        self._files = _any_of(_regex(parts) for parts in included if parts[-1] != "**")
        self._below = _any_of(_regex(parts) for one in include_below if (parts := _folder(one)) is not None)
        self._excluded_files = _any_of(_regex(parts) for parts in excluded if parts[-1] != "**")
        self._excluded_below = _any_of(
            _regex(parts) for pattern in exclude_below if (parts := _folder(pattern)) is not None
        )
        self._named = {name for parts in (*included, *include_below) for name in parts}
        beside = [(*parts[:-1], "*") for parts in included if parts[-1] != "**" and re.search(r"[*?[]", parts[-1])]
        self._beside = _any_of(_regex(parts) for parts in beside)
        named = {PurePosixPath(parts[-1]).suffix for parts in included} - {""}
        self._read_suffixes = (*self.suffixes, *sorted(named))

    def skips_name(self, name: str) -> bool:
        """Whether a file or folder is left out for its name: hidden or in LEFT_OUT, and no include pattern names it."""
        if name in LEFT_OUT:
            return name not in self._named
        if not name.startswith("."):
            return False
        spelled = {normalize("NFC", name), folded(name)}
        hidden = [part for part in self._named if part.startswith(".")]
        return not any(fnmatchcase(one, part) for one in spelled for part in hidden)

    def skips_folder(self, path: str) -> bool:
        """Whether nothing below a folder can match, so that it need not be listed."""
        return bool(self._excluded_below.fullmatch(f"{normalize('NFC', path)}/"))

    def matches(self, path: str) -> bool:
        """Whether a file belongs to the source."""
        path = folded(path)
        included = self._files.fullmatch(path) or (path.endswith(self.suffixes) and self._below.match(path))
        return bool(included) and not self._excluded_files.fullmatch(path) and not self._excluded_below.match(path)

    def passes_over(self, path: str) -> bool:
        """Whether a file lies where the source looks and has a suffix that it does not read. What `exclude` leaves out,
        and what `include` does not reach, was left out by a person and is not meant."""
        path = folded(path)
        beside = self._beside.fullmatch(path) or self._below.match(path)
        if not beside or path.endswith(self._read_suffixes):
            return False
        return not self._excluded_files.fullmatch(path) and not self._excluded_below.match(path)


def folded(path: str) -> str:
    """A path or pattern as paths are compared: composed (NFC), its suffix in lower case where it is plain letters.

    >>> folded("Guide.MD"), folded("a.d/[A-Z]*"), folded("Cafe\\u0301.txt") == "Caf\\u00e9.txt"
    ('Guide.md', 'a.d/[A-Z]*', True)
    """
    path = path if path.isascii() else normalize("NFC", path)
    stem, dot, suffix = path.rpartition(".")
    named = bool(stem) and not stem.endswith("/")  # .Config is a name, not a suffix.
    return f"{stem}.{suffix.lower()}" if dot and named and suffix.isalnum() and suffix.isascii() else path


def _components(pattern: str, field: str, source: str) -> tuple[str, ...]:
    parts = tuple(part for part in pattern.split("/") if part not in ("", "."))
    if not parts or pattern.startswith("/") or ".." in parts or "\\" in pattern:
        raise ConfigError(
            f"`{field}` of source {source} is {pattern!r}: a pattern is relative to `path`, has / between its parts "
            "and no .. among them, for example docs/**/*.md"
        )
    # A trailing slash says folder.
    return (*parts, "**") if pattern.endswith("/") and parts[-1] != "**" else parts


def _folder(parts: tuple[str, ...]) -> tuple[str, ...] | None:
    """The pattern as one of everything below a folder, where it is one."""
    if parts[-1] == "**":
        return parts
    return None if re.search(r"[*?[]", parts[-1]) else (*parts, "**")


def _regex(parts: tuple[str, ...]) -> str:
    """`**` at the end stands for what follows a folder's slash: matched as a prefix of the path."""
    written = []
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if part == "**":
            written.append("" if last else "(?:[^/]+/)*")
        else:
            written.append(_component(part) + ("" if last else "/"))
    return "".join(written)


def _component(part: str) -> str:
    """One name's regex; a set that is never closed stands for itself."""
    written, at = "", 0
    for match in re.finditer(r"\*+|\?|\[!?\]?[^\]]*\]", part):
        written += re.escape(part[at : match.start()])
        token, at = match.group(), match.end()
        if token[0] == "*":
            written += "[^/]*"
        elif token == "?":
            written += "[^/]"
        else:
            inside = token[1:-1].replace("\\", r"\\").replace("^", r"\^").replace("[", r"\[").replace("]", r"\]")
            written += f"[^{inside[1:]}/]" if inside.startswith("!") else f"[{inside}]"
    return written + re.escape(part[at:])


def _any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    joined = "|".join(f"(?:{pattern})" for pattern in patterns)
    # An empty alternation would match everything; (?!) matches nothing.
    return re.compile(joined or "(?!)")
