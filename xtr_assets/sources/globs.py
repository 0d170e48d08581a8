"""Which paths below a root belong to a source: include and exclude globs, and what is left out unless it is named."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from unicodedata import normalize

from xtr_assets.core.errors import ConfigError
from xtr_assets.core.path_glob import glob_regex

# Folders that hold copies, caches or other people's code, and the one that lies at the top of a disk. A pattern that
# names one as a component brings it back; so it is with hidden files and folders.
LEFT_OUT = frozenset({"__pycache__", "site-packages", "dist-packages", "node_modules", "lost+found"})


@dataclass(frozen=True)
class KnownNames:
    """What a kind reads by the names of files beside suffixes: `files` wherever they lie; `hidden`, patterns of paths
    that are meant where `include` says nothing; and names that are left out whatever their suffix and case (`never`),
    unless a pattern names one without wildcards."""

    files: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    never: tuple[str, ...] = ()


NO_NAMES = KnownNames()


class Globs:
    """Include and exclude patterns over relative posix paths, in the language of core/path_glob.py: case-sensitive but
    for suffixes (GUIDE.MD is a `*.md`), and composed or decomposed alike (macOS writes an accent as a letter of its
    own).

    A last component without wildcards names a file or a folder. A pattern that names a folder, or ends in `**`,
    includes the files below it that have one of `suffixes` or a name that is known, and excludes all files below it.
    """

    def __init__(
        self,
        include: Iterable[str],
        exclude: Iterable[str],
        suffixes: Iterable[str],
        source: str,
        known: KnownNames = NO_NAMES,
    ) -> None:
        self.suffixes = tuple(suffixes)
        every = (*(f"**/*{suffix}" for suffix in self.suffixes), *(f"**/{name}" for name in known.files), *known.hidden)
        named = tuple(include)
        # Where a person named nothing, a hidden file is one of those that are known, or none.
        self._by_default = bool(known.hidden) and not named
        self.include = named or every
        self.exclude = tuple(exclude)
        included = [_read(pattern, "include", source) for pattern in self.include]
        excluded = [_read(pattern, "exclude", source) for pattern in self.exclude]
        self._files = _any_of(one.file for one in included)
        self._below = _any_of(one.below for one in included)
        self._excluded_files = _any_of(one.file for one in excluded)
        self._excluded_below = _any_of(one.below for one in excluded)
        self._beside = _any_of(one.beside for one in included)
        self._of_hidden = _any_of(_read(pattern, "include", source).file for pattern in known.hidden)
        self._named = {name for one in included for name in (*one.folded, *one.parts)}
        self._known = _any_of(glob_regex(folded(name)) for name in known.files)
        self._never = _any_of(glob_regex(name.lower()) for name in known.never)
        self._hidden = _any_of(glob_regex(name) for name in self._named if name.startswith("."))
        further = {PurePosixPath(one.folded[-1]).suffix for one in included} - {""}
        self._read_suffixes = (*self.suffixes, *sorted(further))

    def skips_name(self, name: str) -> bool:
        """Whether a file or folder is left out for its name: hidden, in LEFT_OUT or never read by the kind,
        and no include pattern names it."""
        if name in LEFT_OUT or self._never.fullmatch(name.lower()):
            return name not in self._named
        if not name.startswith("."):
            return False
        return not any(self._hidden.fullmatch(one) for one in (normalize("NFC", name), folded(name)))

    def skips_folder(self, path: str) -> bool:
        """Whether nothing below a folder can match, so that it need not be listed."""
        return bool(self._excluded_below.match(f"{normalize('NFC', path)}/"))

    def matches(self, path: str) -> bool:
        """Whether a file belongs to the source."""
        path = folded(path)
        if self._by_default and _is_hidden(path) and not self._of_hidden.fullmatch(path):
            return False
        included = self._files.fullmatch(path) or (self._is_read(path) and self._below.match(path))
        return bool(included) and not self._excluded_files.fullmatch(path) and not self._excluded_below.match(path)

    def _is_read(self, path: str) -> bool:
        """Whether the kind reads a file of a name, by its suffix or as a whole."""
        return path.endswith(self.suffixes) or bool(self._known.fullmatch(path.rpartition("/")[2]))

    def passes_over(self, path: str) -> bool:
        """Whether a file lies where the source looks and has a suffix that it does not read. What `exclude` leaves out,
        and what `include` does not reach, was left out by a person and is not meant."""
        path = folded(path)
        if self._by_default and _is_hidden(path):
            return False
        beside = self._beside.fullmatch(path) or self._below.match(path)
        if not beside or path.endswith(self._read_suffixes) or self._known.fullmatch(path.rpartition("/")[2]):
            return False
        return not self._excluded_files.fullmatch(path) and not self._excluded_below.match(path)


def _is_hidden(path: str) -> bool:
    return path.startswith(".") or "/." in path


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


@dataclass(frozen=True)
class _Pattern:
    """One pattern, read: None where it means no files, or no folder."""

    folded: tuple[str, ...]
    parts: tuple[str, ...]  # As they are written: a folder may have a dot in its name, and no suffix.
    file: str | None  # Regular expression of whole paths.
    below: str | None  # Of how the paths below its folder begin.
    beside: str | None  # Of whole paths in the folders of its files.


def _read(pattern: str, field: str, source: str) -> _Pattern:
    lowered, parts = _components(folded(pattern), field, source), _components(normalize("NFC", pattern), field, source)
    try:
        file = None if parts[-1] == "**" else glob_regex("/".join(lowered))
        folder = _folder(parts)
        below = None if folder is None else glob_regex("".join(f"{part}/" for part in folder))
        beside = None if folder is not None else glob_regex("/".join((*lowered[:-1], "*")))
    except ValueError as error:
        raise ConfigError(f"`{field}` of source {source} is {pattern!r}: {error}") from error
    return _Pattern(lowered, parts, file, below, beside)


def _folder(parts: tuple[str, ...]) -> tuple[str, ...] | None:
    """The folder that a pattern names, all below which it means; None where it means files."""
    if parts[-1] != "**":
        return None if re.search(r"[*?[]", parts[-1]) else parts
    while parts and parts[-1] == "**":
        parts = parts[:-1]
    return parts


def _any_of(patterns: Iterable[str | None]) -> re.Pattern[str]:
    joined = "|".join(f"(?:{pattern})" for pattern in patterns if pattern is not None)
    # An empty alternation would match everything; (?!) matches nothing.
    return re.compile(joined or "(?!)")
