"""Every error the package raises on purpose: one tree, each message with both values and the remedy."""

from typing import Any

# What helps where a file of a warehouse is not what it was.
RESTORE = (
    "restore the file from a copy, or roll back to a generation that verifies (`xtr-assets verify`, "
    "`xtr-assets rollback`)"
)
# The same where every move begins with the file: a rollback does too.
RESTORE_FIRST = 'restore the file from a copy: a rollback reads it too (docs/operations.md, "A file is damaged")'
# The same of what a build makes where there is none.
MAKE_ANEW = "restore the file from a copy, or remove it: the next `xtr-assets build` makes it anew"
# What helps where a file lies in the folder of a generation that has none of that name.
STRAY = "remove it: no generation has it, and nothing reads it"
_REMEDIES = {
    **dict.fromkeys(("PUBLISHED", "history.jsonl", "warehouse.json"), RESTORE_FIRST),
    **dict.fromkeys(("CURRENT", "NEXT"), MAKE_ANEW),
}
# What helps where an object of a store is not.
PUSH_AGAIN = "remove that object where it is there, and `xtr-assets push` from a warehouse that has it: it is sent anew"
# What helps where the system says that a user may not.
MAY_NOT = "give this user the right to it (`ls -ld` of it and of the folders above says who has), or run as its owner"


class XtrAssetsError(Exception):
    """The root: catch this to catch everything raised on purpose. Each crosses to another process as it is."""

    def __reduce__(self) -> tuple[Any, ...]:
        # By default the message is given to the constructor, which takes the parts of it: unpickling would fail, and a
        # pool of processes wait for ever for the answer.
        return _as_it_was, (type(self), self.args, self.__dict__)


class ConfigError(XtrAssetsError):
    """A field of the configuration is wrong: the message names the field, its value and what is allowed."""


class ProviderError(XtrAssetsError):
    """An optional package (a FAISS build, an encoder) is missing or doubled; carries the install line."""


class SourceError(XtrAssetsError):
    """A source is gone or cannot be listed. Never answered with an empty corpus."""


class NothingMatches(SourceError):
    """A source's place is there and holds no file of it. `others` : how many files lie there that its kind does not
    read. `left_out` : how many of its kind `include` or `exclude` leave out."""

    def __init__(self, message: str, others: int, left_out: int) -> None:
        self.others, self.left_out = others, left_out
        super().__init__(message)

    @property
    def may_be_deleted(self) -> bool:
        """Whether its files may have been deleted: others show that its place is there, and none is left out."""
        return self.others > 0 and not self.left_out


class InvalidInput(XtrAssetsError, ValueError):
    """Arrays, queries or filters that cannot be used: NaN, wrong dim, unsorted offsets, unknown column."""


class UnusableText(InvalidInput):
    """An encoder gave no usable vector for a text; `index` is its place among the texts given."""

    def __init__(self, index: int, problem: str) -> None:
        self.index, self.problem = index, problem
        super().__init__(f"text {index}: {problem}; leave the text out, or change the encoder's precision to fp32")


class IndexClosed(XtrAssetsError, ValueError):
    """An index was used after `close`."""


class EncoderMismatch(XtrAssetsError):
    """Vectors of one encoder met an index of another."""


class StorageError(XtrAssetsError):
    """The root of everything about the files of a warehouse."""


class WarehouseNotFound(StorageError):
    """No warehouse at this path."""


class UnknownFormat(StorageError):
    """A format_version this release does not read; the message names both, `path` the file where it is known."""

    def __init__(self, message: str, path: str | None = None) -> None:
        self.path = path
        super().__init__(message)


class CorruptFile(StorageError):
    """A file's bytes or size differ from its record; `path` is relative to the warehouse. remedy : what helps, where
    the name does not say it."""

    def __init__(self, path: str, expected: str, found: str, remedy: str = "") -> None:
        self.path, self.expected, self.found, self.remedy = path, expected, found, remedy or remedy_of(path)
        super().__init__(f"{path}: expected {expected}, found {found}; {self.remedy}")


def remedy_of(path: str) -> str:
    """What helps where a file of a warehouse is damaged.

    >>> remedy_of("generations/NEXT") == MAKE_ANEW, remedy_of("parts/part-0001/history.jsonl line 3") == RESTORE_FIRST
    (True, True)
    """
    name = path.rpartition("/")[2].partition(" ")[0]
    return _REMEDIES.get(name, RESTORE)


class UnreadableFile(CorruptFile):
    """A file that is there and that this user may not read: what it holds is not known."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(path, "a file that can be read", why, MAY_NOT)
        self.args = (f"{path} cannot be read ({why}); {MAY_NOT}",)


class LinkRefused(StorageError):
    """A name inside a warehouse is a link: it may lead to anything of anybody."""


class GenerationError(StorageError):
    """A generation that is unknown, withdrawn, or not in a state that allows the step."""


class PublishRefused(GenerationError):
    """A draft lacks a passing record of a required check for exactly its bytes."""


class StillArriving(GenerationError):
    """What is asked needs all of a generation, and the rest of it still comes from an object store."""


class NotInThisIndex(GenerationError, InvalidInput):
    """What was asked for the generation does not have: a mode of a leg that its encoder does not give, or of an index
    that an earlier release did not make. The message names the modes that it answers."""


class WarehouseLocked(StorageError):
    """Another writer holds the lock; the message says who, where and since when."""


class StoreError(StorageError):
    """An object store that is not what is needed: it lacks something, holds other bytes, or refuses a request."""


class StoreUnreachable(StoreError):
    """Requests to an object store failed again and again; what is here already serves on."""


class StoreConflict(StoreError):
    """Two hosts went different ways: the message names what each did, and what to do."""


class RemoteError(XtrAssetsError):
    """A server of `xtr-assets serve` could not be reached, or what answered is none."""


class Unauthorized(RemoteError):
    """The server wants a token, and the one given is none of its own (any more)."""


class ServerBusy(RemoteError):
    """The server has no room for another question; `retry_after` says in how many seconds to ask again."""

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class QuestionTimeout(RemoteError):
    """A question took longer than the server gives one, or than the client waits."""


def _as_it_was(kind: type[XtrAssetsError], args: tuple[Any, ...], fields: dict[str, Any]) -> XtrAssetsError:
    """An error of another process."""
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(fields)
    return error
