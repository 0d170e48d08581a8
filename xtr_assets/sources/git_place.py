"""A repository at a ref: files are blobs of its commit, read without a checkout. The id of a blob is its content."""

from importlib.util import find_spec
from pathlib import Path

from xtr_assets.config import SourceConfig
from xtr_assets.core.errors import ConfigError, ProviderError, SourceError
from xtr_assets.core.field_problem import without_secrets
from xtr_assets.core.types import FileState
from xtr_assets.sources.file_scan import Listing, unread_state
from xtr_assets.sources.folder_place import nothing_matches
from xtr_assets.sources.git_blobs import BlobFile, BlobReader, MissingBlob, missing
from xtr_assets.sources.git_command import INSTALL, GitFailed, git
from xtr_assets.sources.git_commit import Blob, commit_tree, find_commit, select
from xtr_assets.sources.git_folder import git_folder
from xtr_assets.sources.git_mirror import MIRRORED, updated_mirror
from xtr_assets.sources.globs import Globs
from xtr_assets.sources.place import LFS_BYTES, Refused, is_pointer, too_large


class GitPlace:
    """The commit that a ref names when the files are listed; what is read after that is of the same commit."""

    def __init__(self, config: SourceConfig) -> None:
        self.config = config
        self.ref = config.ref or "HEAD"
        git()
        if find_spec("dulwich") is None:
            # Files are read a second time by it before anything is published: without it nothing would ever be.
            raise ProviderError(f"`kind: git` needs dulwich, which is not installed: {INSTALL}")
        self._blobs: dict[str, Blob] | None = None
        self._reader: BlobReader | None = None

    def listing(self, globs: Globs) -> Listing:
        name, where = self.config.name, without_secrets(str(self.config.path))
        folder = self._folder()
        try:
            tree = commit_tree(folder, self._commit(folder))
            reader = BlobReader(folder)
            listing, self._blobs = select(tree, globs, lambda link: _target(reader, link))
        except GitFailed as error:
            raise SourceError(
                f"source {name}: the repository {where} cannot be read at {self.ref} (git: {error}); `git fsck` says "
                "what is wrong with it; what was ingested of it stays"
            ) from error
        self._reader = reader
        if not listing.files and not listing.closed:
            raise nothing_matches(self.config, f"{where} at {self.ref} ({tree.commit[:12]})", globs, listing)
        return listing

    def stamp(self, globs: Globs, now_ns: int) -> str | None:  # noqa: ARG002
        """The commit that the ref names: what it holds never changes."""
        try:
            return self._commit(self._folder())
        except (SourceError, ConfigError, GitFailed):
            return None  # A scan says why.

    def _folder(self) -> Path:
        if isinstance(self.config.path, str):
            return updated_mirror(self.config.path, self.ref, self.config.name)
        return git_folder(self.config.folder, self.config.name)

    def _commit(self, folder: Path) -> str:
        ref = MIRRORED if isinstance(self.config.path, str) else self.ref
        name, where = self.config.name, without_secrets(str(self.config.path))
        found = find_commit(folder, ref)
        if not found:
            raise SourceError(
                f"source {name} is gone: {where} has no branch, tag or commit {self.ref}; fetch it, correct `ref`, or "
                "remove the source from the configuration to drop its chunks"
            )
        if len({commit for _, commit in found}) > 1:
            named = " and ".join(f"{one} ({commit[:12]})" for one, commit in found)
            raise ConfigError(f"`ref` of source {name} is {self.ref}, which is {named} in {where}; write one in full")
        return found[0][1]

    def state(
        self,
        path: str,
        known: FileState | None,
        now_ns: int,  # noqa: ARG002
        most: int | None,  # noqa: ARG002
    ) -> FileState | None:
        """No content is read: the id says what it is."""
        blob = (self._blobs or {}).get(path)
        if blob is None:
            return None
        if blob.size is None:
            return unread_state(path, missing(blob.object_id), known)
        digest = content_id(blob.object_id)
        if known is not None and known.refused == digest:
            return known
        return FileState(path, blob.size, 0, digest)

    def changed(self, path: str, state: FileState) -> bool:  # noqa: ARG002
        """A blob is its content."""
        return False

    def file(self, path: str, globs: Globs, most: int | None) -> BlobFile:
        if self._blobs is None:
            self.listing(globs)
        blob = (self._blobs or {}).get(path)
        if blob is None:
            raise FileNotFoundError(path)
        assert self._reader is not None
        if blob.size is None:
            raise MissingBlob(blob.object_id)
        if most is not None and blob.size > most:
            raise too_large(blob.size, most)
        file = BlobFile(path, blob, self._reader)
        if blob.size < LFS_BYTES and is_pointer(file.read_bytes()):
            detail = "its content is in Git LFS, and the repository holds a pointer to it; leave it out by `exclude`"
            raise Refused("pointer", detail)
        return file


def content_id(object_id: str) -> str:
    """What stands for the sha256 of a file: the id of its blob, which is a digest of its content, to 64 digits.

    >>> content_id("e69de29bb2d1d6434b8b29ae775ad8c2e48c5391")
    '000000000000000000000000e69de29bb2d1d6434b8b29ae775ad8c2e48c5391'
    """
    return object_id.rjust(64, "0")


def _target(reader: BlobReader, link: Blob) -> str:
    """Where a link leads, as it is written; a name that no path has where it cannot be read."""
    if link.size is None or link.size > 4096:
        return "/"
    try:
        return reader.read(link).decode("utf-8", "replace")
    except OSError:
        return "/"
