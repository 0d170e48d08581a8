"""Repositories as sources: what a ref holds, what moves, and what a hostile one tries."""

import fcntl
import io
import os
import shutil
import signal
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xtr_assets.config import SourceConfig
from xtr_assets.core.errors import ConfigError, ProviderError, SourceError
from xtr_assets.core.file_diff import diff_files
from xtr_assets.core.types import Chunk, FileState, Quarantined
from xtr_assets.sources import Source, git_blobs, git_mirror, open_source
from xtr_assets.sources.base import FileSource
from xtr_assets.sources.git_commit import _listed
from xtr_assets.sources.git_place import GitPlace
from xtr_assets.sources.tree_stamp import Stamped
from xtr_assets_tests.git_project import Repository, needs_git

pytestmark = needs_git

PAGE = "# Ferries\n\nThe ferry leaves at noon.\n"
MODULE = 'def area(width):\n    """The area of a square."""\n    return width * width\n'
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "4" * 64 + "\nsize 12345\n"


def opened(path: Path | str, content: str = "text", **fields: Any) -> Source:
    return open_source(
        SourceConfig.model_validate({"name": "lib", "kind": "git", "path": path, "content": content, **fields})
    )


def scanned(source: Source, known: dict[str, FileState] | None = None) -> dict[str, FileState]:
    return source.scan("lib", known or {})


def texts(source: Source, path: str) -> list[str]:
    found = list(source.read(path))
    assert not [one for one in found if isinstance(one, Quarantined)]
    return [one.text for one in found if isinstance(one, Chunk)]


def refused(source: Source, path: str) -> list[tuple[str, str]]:
    return [(one.reason, one.detail) for one in source.read(path) if isinstance(one, Quarantined)]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "clone")
    made.commit({"guide/a.md": PAGE, "guide/b.md": "# Other\n\nText.\n", "src/m.py": MODULE, ".hidden/c.md": "no\n"})
    return made


def test_the_files_of_a_commit_are_read_and_those_of_the_work_tree_are_not(repository: Repository) -> None:
    repository.write("guide/a.md", "# Changed, not committed\n\nx\n")
    repository.write("guide/new.md", "# New\n\nx\n")
    source = opened(repository.path)
    assert list(scanned(source)) == ["guide/a.md", "guide/b.md"]
    assert texts(source, "guide/a.md") == [PAGE.strip()]
    assert texts(opened(repository.path), "guide/a.md") == [PAGE.strip()], "read without a scan before it"
    assert refused(source, "guide/new.md")[0][0] == "unreadable"


@pytest.mark.parametrize("content", ["python", "text", "records", "code", "config", "mixed"])
def test_every_kind_of_content_is_read_from_blobs_as_from_a_folder(repository: Repository, content: str) -> None:
    stream = io.BytesIO()
    pq.write_table(pa.table({"_id": ["p1"], "title": ["t"], "text": ["A parquet record."]}), stream)
    files: dict[str, str | bytes] = {
        "r.jsonl": '{"_id": "1", "text": "A record."}\n{"_id": 2}\n',
        "r.parquet": stream.getvalue(),
        "n.ipynb": '{"nbformat": 4, "cells": [{"cell_type": "markdown", "source": "# Cell\\n\\nText."}]}',
        "s.js": "/** Adds. */\nfunction add(a, b) {\n  return a + b;\n}\n",
        "bad.py": "def (:\n",
        "binary.txt": b"\x00\x01\x02",
        ".github/workflows/ci.yml": "on: push\njobs: {a: {runs-on: x}}\n",
        ".github/CONTRIBUTING.md": "# Hidden\n\nText.\n",
        "lib/CMakeLists.txt": "function(f)\nendfunction()\n",
        "pnpm-lock.yaml": "a: 1\n",
    }
    repository.commit(files)
    blobs = opened(repository.path, content)
    # Configuration last: CMakeLists.txt is no text where both read it.
    kinds = ("python", "text", "code", "config") if content == "mixed" else (content,)
    of_folder: dict[str, list[Any]] = {}
    for kind in kinds:
        folder = open_source(SourceConfig.model_validate({"name": "lib", "kind": kind, "path": repository.path}))
        of_folder |= {path: list(folder.read(path)) for path in folder.scan("lib", {})}
    assert {path: list(blobs.read(path)) for path in scanned(blobs)} == of_folder and of_folder


def test_a_ref_is_a_branch_a_tag_or_a_commit(repository: Repository) -> None:
    first = repository.git("rev-parse", "HEAD")
    repository.git("tag", "--annotate", "--message=.", "v1")
    repository.git("branch", "old/line")
    repository.commit({"guide/a.md": "# Later\n\nx\n"})
    for ref in ("v1", "refs/tags/v1", "old/line", "refs/heads/old/line", first):
        assert texts(opened(repository.path, ref=ref), "guide/a.md") == [PAGE.strip()], ref
    for named in ("main", "HEAD", None):
        assert texts(opened(repository.path, ref=named), "guide/a.md") == ["# Later\n\nx"], named
    repository.git("branch", "v1")
    with pytest.raises(ConfigError, match=r"`ref` of source lib is v1, which is refs/heads/v1 .* and refs/tags/v1"):
        scanned(opened(repository.path, ref="v1"))


def test_no_blob_is_read_to_find_what_changed(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    before = scanned(opened(repository.path))
    repository.git("mv", "guide/a.md", "guide/moved.md")
    repository.commit({"guide/b.md": "# Other\n\nAnother text.\n", "guide/c.md": "# New\n\nx\n"})

    def never(*_: Any) -> Any:
        raise AssertionError("a blob was read")

    monkeypatch.setattr(git_blobs.BlobReader, "blocks", never)
    changes = diff_files(before, scanned(opened(repository.path), before))
    assert changes.moved == (("guide/a.md", "guide/moved.md"),)
    assert (changes.added, changes.changed, changes.deleted) == (("guide/c.md",), ("guide/b.md",), ())


def test_a_look_at_a_ref_that_did_not_move_lists_nothing_anew(repository: Repository) -> None:
    scanned(opened(repository.path))
    missed = _listed.cache_info().misses
    scanned(opened(repository.path))
    assert _listed.cache_info().misses == missed


def test_what_is_read_is_of_the_commit_that_was_listed(repository: Repository) -> None:
    source = opened(repository.path)
    scanned(source)
    repository.commit({"guide/a.md": "# Later\n\nx\n"})
    assert texts(source, "guide/a.md") == [PAGE.strip()]


def test_a_forced_move_is_a_change_and_a_ref_that_vanished_drops_nothing(repository: Repository) -> None:
    first = repository.git("rev-parse", "HEAD")
    repository.commit({"guide/a.md": "# Later\n\nx\n"})
    repository.git("branch", "topic")
    later = scanned(opened(repository.path, ref="topic"))
    repository.git("branch", "--force", "topic", first)
    assert diff_files(later, scanned(opened(repository.path, ref="topic"))).changed == ("guide/a.md",)
    repository.git("branch", "--delete", "--force", "topic")
    with pytest.raises(SourceError, match=r"lib is gone: .* has no branch, tag or commit topic"):
        scanned(opened(repository.path, ref="topic"))


def test_a_repository_without_a_commit_or_without_a_file_is_gone(tmp_path: Path, repository: Repository) -> None:
    with pytest.raises(SourceError, match="has no branch, tag or commit HEAD"):
        scanned(opened(Repository(tmp_path / "empty").path))
    with pytest.raises(SourceError, match=r"no file in it matches `include` \(\*\*/\*.rs\); files of other"):
        scanned(opened(repository.path, "code", include=["**/*.rs"]))
    for path in (tmp_path / "nowhere", repository.path / "guide"):
        with pytest.raises(SourceError, match="is no git repository"):
            scanned(opened(path))
    shutil.rmtree(repository.path / ".git/objects")
    with pytest.raises(SourceError, match="no git repository"):
        scanned(opened(repository.path))


def test_links_lead_to_files_of_the_commit_and_nowhere_else(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "secret.md").write_text("# Secret\n\nNot of the repository.\n")
    links = {
        "guide/same.md": "a.md",
        "guide/up.md": "../guide/./b.md",
        "guide/twice.md": "same.md",
        "guide/out.md": "../../secret.md",
        "guide/absolute.md": str(tmp_path / "secret.md"),
        "guide/round.md": "round.md",
        "guide/nothing.md": "not-there.md",
        "folder.md": "guide",
    }
    for path, target in links.items():
        (repository.path / path).symlink_to(target)
    repository.commit()
    source = opened(repository.path)
    found = scanned(source)
    stale = {path for path, state in found.items() if state.unread}
    assert stale == {f"guide/{name}.md" for name in ("out", "absolute", "round", "nothing")}
    assert found.keys() - stale == {f"guide/{name}.md" for name in ("a", "b", "same", "up", "twice")}
    assert texts(source, "guide/twice.md") == [PAGE.strip()]
    assert "Secret" not in str([list(source.read(path)) for path in found])


def test_a_pointer_of_lfs_is_no_text_and_a_submodule_is_told(repository: Repository) -> None:
    repository.commit({".gitattributes": "*.md filter=lfs diff=lfs merge=lfs -text\n", "guide/big.md": POINTER})
    commit = repository.git("rev-parse", "HEAD")
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{commit},vendor/lib")
    repository.git("commit", "--quiet", "--message=.")
    source = opened(repository.path)
    assert "guide/big.md" in scanned(source)
    assert refused(source, "guide/big.md")[0][0] == "pointer"
    assert texts(source, "guide/a.md") == [PAGE.strip()]
    assert source.listing().submodules == ["vendor/lib"]


def test_names_that_are_no_utf8_are_stale_and_large_blobs_are_not_read(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = repository.git("hash-object", "-w", "--stdin", asked=b"x\n")
    tree = repository.git("mktree", "-z", asked=b"100644 blob " + blob.encode() + b"\tcaf\xe9.md\0")
    repository.git("branch", "latin", repository.git("commit-tree", "-m", ".", tree))
    found = scanned(opened(repository.path, ref="latin"))
    assert {path: state.unread for path, state in found.items()} == {
        "caf\\xe9.md": "a name that is no UTF-8; rename it"
    }
    large = opened(repository.path, max_file_bytes=20)
    assert scanned(large)["guide/a.md"].size == len(PAGE)
    monkeypatch.setattr(git_blobs.BlobReader, "blocks", lambda *_: pytest.fail("a large blob was read"))
    assert refused(large, "guide/a.md")[0][0] == "too-large"


def test_objects_that_are_missing_are_stale_and_their_neighbours_are_read(repository: Repository) -> None:
    blob = repository.git("rev-parse", "HEAD:guide/a.md")
    (repository.path / ".git/objects" / blob[:2] / blob[2:]).unlink()
    source = opened(repository.path)
    known = {"guide/a.md": FileState("guide/a.md", 5, 0, "7" * 64)}
    state = scanned(source, known)["guide/a.md"]
    assert state.unread.startswith(f"its object {blob[:12]} is not in the repository") and state.sha256 == "7" * 64
    assert refused(source, "guide/a.md")[0][0] == "unreadable"
    assert texts(source, "guide/b.md") == ["# Other\n\nText."]
    # `git fetch --refetch` brings it, and the ref stays where it is: the process that looked before sees it.
    repository.git("hash-object", "-w", "guide/a.md")
    assert scanned(opened(repository.path), known)["guide/a.md"].unread == ""


def test_a_blob_that_went_after_the_listing_or_is_damaged_is_unreadable(repository: Repository) -> None:
    source = opened(repository.path)
    scanned(source)
    blob = repository.git("rev-parse", "HEAD:guide/a.md")
    file = repository.path / ".git/objects" / blob[:2] / blob[2:]
    file.chmod(0o600)
    file.write_bytes(b"nothing that zlib knows")
    assert refused(source, "guide/a.md")[0][0] == "unreadable"
    assert texts(source, "guide/b.md") == ["# Other\n\nText."]
    file.unlink()
    assert refused(source, "guide/a.md")[0][0] == "unreadable"
    assert texts(source, "guide/b.md") == ["# Other\n\nText."]


def test_bare_shallow_and_sha256_repositories_and_worktrees_are_read(repository: Repository, tmp_path: Path) -> None:
    repository.git("clone", "--quiet", "--bare", "--depth=1", f"file://{repository.path}", str(tmp_path / "bare.git"))
    assert texts(opened(tmp_path / "bare.git"), "guide/a.md") == [PAGE.strip()]
    repository.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "tree"))
    assert texts(opened(tmp_path / "tree"), "guide/a.md") == [PAGE.strip()]
    other = Repository(tmp_path / "wide", "--object-format=sha256")
    other.commit({"a.md": PAGE})
    state = scanned(opened(other.path))["a.md"]
    assert state.sha256 == other.git("rev-parse", "HEAD:a.md") and len(state.sha256) == 64


def test_nothing_of_a_hostile_repository_runs(repository: Repository, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    script = repository.write("evil.sh", f"#!/bin/sh\ntouch {ran}\n")
    script.chmod(0o755)
    hooks = repository.path / ".git/hooks"
    hooks.mkdir()
    for hook in ("post-checkout", "post-index-change", "reference-transaction", "pre-auto-gc", "fsmonitor-watchman"):
        shutil.copy(script, hooks / hook)
    blob = repository.git("rev-parse", "HEAD:guide/b.md")
    (repository.path / ".git/objects" / blob[:2] / blob[2:]).unlink()
    with (repository.path / ".git/config").open("a") as config:
        config.write(
            f"[core]\n\tfsmonitor = {script}\n\tpager = {script}\n\tsshCommand = {script}\n\taskPass = {script}\n"
            f"\talternateRefsCommand = {script}\n\tgitProxy = {script}\n\teditor = {script}\n"
            f"[alias]\n\tcat-file = !{script}\n\tls-tree = !{script}\n"
            f'[filter "lfs"]\n\tsmudge = {script}\n\tprocess = {script}\n\trequired = true\n'
            f'[diff "text"]\n\ttextconv = {script}\n[gpg]\n\tprogram = {script}\n'
            # A promise that whatever is missing can be fetched, by a command.
            f'[protocol]\n\tallow = always\n[protocol "ext"]\n\tallow = always\n'
            f'[remote "origin"]\n\turl = ext::{script}\n\tpromisor = true\n\tuploadpack = {script}\n'
            "\tpartialclonefilter = blob:none\n[extensions]\n\tpartialClone = origin\n"
            "[core]\n\trepositoryformatversion = 1\n"
        )
    repository.write(".git/info/attributes", "* filter=lfs diff=text\n")
    source = opened(repository.path, "text")
    found = scanned(source)
    assert [list(source.read(path)) for path in found]
    assert texts(source, "guide/a.md") == [PAGE.strip()] and found["guide/b.md"].unread
    assert not ran.exists()


def test_objects_of_other_folders_are_refused(repository: Repository, tmp_path: Path) -> None:
    private = Repository(tmp_path / "private")
    private.commit({"a.md": "# Private\n\nx\n"})
    alternates = repository.write(".git/objects/info/alternates", f"{private.path}/.git/objects\n")
    with pytest.raises(SourceError, match=r"takes objects from another folder .*repack -a -d"):
        scanned(opened(repository.path))
    alternates.unlink()
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / ".git").write_text(f"gitdir: {private.path}/.git\n")
    with pytest.raises(SourceError, match="which is no worktree of it"):
        scanned(opened(linked))


@pytest.mark.parametrize("variable", ["GIT_DIR", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES"])
def test_variables_of_the_caller_lead_to_no_other_repository(
    repository: Repository, tmp_path: Path, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Repository(tmp_path / "other")
    other.commit({"a.md": "# Another\n\nx\n"})
    monkeypatch.setenv(variable, str(other.path / ".git" / ("" if variable == "GIT_DIR" else "objects")))
    assert list(scanned(opened(repository.path))) == ["guide/a.md", "guide/b.md"]


@pytest.mark.parametrize(
    "ref",
    ["--upload-pack=touch x", "-x", "a..b", "main~1", "main^", "a:b", "a b", "@{1}", "", "a\nb", "refs//x", "x.lock"],
)
def test_a_ref_that_is_an_option_or_an_expression_is_refused(ref: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="give a branch, a tag"):
        opened(tmp_path, ref=ref)


@pytest.mark.parametrize(
    "path",
    [
        "ext::sh -c x",
        "https://user:word@host/x.git",
        "https://me@here.org:word@host/x.git",
        "ssh://-oProxyCommand=x/y",
        "s3://bucket/x",
        "user@-host:x",
    ],
)
def test_an_address_that_runs_a_command_or_holds_a_password_is_refused(path: str, tmp_path: Path) -> None:
    with pytest.raises((ValueError, SourceError), match=r"no address that|password|no git repository"):
        scanned(opened(path))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XTR_ASSETS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_repository_elsewhere_is_mirrored_and_follows_its_ref(repository: Repository, cache: Path) -> None:
    address = f"file://{repository.path}"
    before = scanned(opened(address, ref="main"))
    assert list(before) == ["guide/a.md", "guide/b.md"]
    (mirror,) = (one for one in (cache / "git").iterdir() if one.is_dir())
    assert not list(mirror.glob("**/*.md"))
    repository.git("commit", "--quiet", "--amend", "--allow-empty", "--message=another history")
    repository.commit({"guide/a.md": "# Later\n\nx\n"})
    source = opened(address, ref="main")
    assert diff_files(before, scanned(source)).changed == ("guide/a.md",)
    assert texts(source, "guide/a.md") == ["# Later\n\nx"]
    repository.git("tag", "--annotate", "--message=.", "v1")
    for ref in ("v1", "HEAD", repository.git("rev-parse", "HEAD")):
        assert texts(opened(address, ref=ref), "guide/a.md") == ["# Later\n\nx"]
    with pytest.raises(SourceError, match="has no branch or tag gone"):
        scanned(opened(address, ref="gone"))
    repository.path.rename(repository.path.with_name("away"))
    with pytest.raises(SourceError, match=r"cannot be fetched \(git: .*\); check the address"):
        scanned(opened(address, ref="main"))


@pytest.mark.parametrize("gone", ["objects", "config", "refs"])
def test_a_mirror_whose_maker_was_killed_is_made_whole(repository: Repository, cache: Path, gone: str) -> None:
    source = opened(f"file://{repository.path}", ref="main")
    scanned(source)
    (mirror,) = (one for one in (cache / "git").iterdir() if one.is_dir())
    half = mirror / gone
    shutil.rmtree(half) if half.is_dir() else half.unlink()
    assert list(scanned(opened(f"file://{repository.path}", ref="main"))) == ["guide/a.md", "guide/b.md"]


@pytest.mark.parametrize("left", ["shallow.lock", "refs/xtr-assets/source.lock", "objects/maintenance.lock"])
def test_what_a_fetch_that_was_killed_locked_is_taken_over(repository: Repository, cache: Path, left: str) -> None:
    """A pod that goes in the middle leaves it. No later fetch succeeded, and each blamed the address."""
    address = f"file://{repository.path}"
    scanned(opened(address, ref="main"))
    (mirror,) = (one for one in (cache / "git").iterdir() if one.is_dir())
    (mirror / left).write_text("")
    repository.commit({"guide/a.md": "# Later\n\nx\n"})
    assert texts(opened(address, ref="main"), "guide/a.md") == ["# Later\n\nx"]
    assert not (mirror / left).exists()


@pytest.mark.parametrize(("end", "said", "kept"), [("kill -9 $$", "exit -9", True), ("exit 1", "exit 1", False)])
def test_what_a_fetch_leaves_keeps_the_mirror_only_where_it_was_killed(
    repository: Repository,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    end: str,
    said: str,
    kept: bool,
) -> None:
    """A next one beside it would take its locks for those of a dead one. What keeps credentials lives for a quarter of
    an hour after a git that ended, and each look at the source waited for its end."""
    address = f"file://{repository.path}"
    scanned(opened(address, ref="main"))
    (lock,) = (cache / "git").glob("*.lock")
    fails, pid = tmp_path / "git", tmp_path / "pid"
    fails.write_text(f"#!/bin/sh\nsleep 600 >/dev/null 2>&1 &\necho $! > {pid}\n{end}\n")
    fails.chmod(0o755)
    with monkeypatch.context() as patch, pytest.raises(SourceError, match=rf"cannot be fetched \(git: {said}\)"):
        patch.setattr(git_mirror, "git", lambda: str(fails))
        scanned(opened(address, ref="main"))
    with lock.open("w") as other:
        try:
            with pytest.raises(BlockingIOError) if kept else nullcontext():
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whether it is that one, or this process: nobody waits for ever, saying nothing.
            monkeypatch.setattr(git_mirror, "FETCH_SECONDS", 0.1)
            with pytest.raises(SourceError, match=rf"another one has {lock} for more than 0.1 s; end it"):
                scanned(opened(address, ref="main"))
        finally:
            os.kill(int(pid.read_text()), signal.SIGKILL)
        # The system lets go of it with the process.
        fcntl.flock(other, fcntl.LOCK_EX)


def test_a_reader_that_was_killed_says_so_and_is_begun_again(repository: Repository) -> None:
    """No object is said to be missing for it: `git fetch --refetch` would bring nothing."""
    source = opened(repository.path, ref="main")
    assert isinstance(source, FileSource) and isinstance(source.place, GitPlace)
    scanned(source)
    assert texts(source, "guide/a.md")
    assert source.place._reader is not None and source.place._reader._process is not None
    source.place._reader._process.kill()
    source.place._reader._process.wait()
    (told,) = source.read("guide/b.md")
    assert isinstance(told, Quarantined) and told.reason == "unreadable" and "refetch" not in told.detail
    assert texts(source, "guide/b.md")


def test_what_is_not_installed_is_told_with_the_command(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as without:
        without.setattr("xtr_assets.sources.git_place.find_spec", lambda _: None)
        with pytest.raises(ProviderError, match=r"needs dulwich.*pip install 'xtr-assets\[git\]'"):
            opened(repository.path)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ProviderError, match="git is not on the PATH, which `kind: git` needs"):
        opened(repository.path)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"kind": "text", "path": "x", "ref": "main"}, "has `ref`, which is of `kind: git`"),
        ({"kind": "text", "path": "x", "content": "text"}, "has `content`"),
        ({"kind": "text", "path": "https://host/x"}, "no address that `kind: text` reads"),
    ],
)
def test_fields_that_do_not_fit_the_kind_are_refused(fields: dict[str, str], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        SourceConfig.model_validate({"name": "lib", **fields})


def test_a_look_at_a_ref_asks_for_the_ref_alone(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    source = opened(repository.path)
    assert isinstance(source, Stamped)
    with monkeypatch.context() as blind:
        blind.setattr("xtr_assets.sources.git_place.commit_tree", lambda *_: pytest.fail("its tree was listed"))
        before = source.stamp(0)
        assert before == repository.git("rev-parse", "HEAD") == source.stamp(0)
    repository.commit({"guide/a.md": "# Later\n\nx\n"})
    assert source.stamp(0) not in (None, before)
    assert opened(repository.path, ref="gone").stamp(0) is None  # type: ignore[attr-defined]


def test_a_token_in_an_address_is_shown_by_no_message(cache: Path) -> None:
    """An address that nothing answers at: who logs in by it stands in what git says, too."""
    source = opened("https://geheim@127.0.0.1:1/x.git", ref="main")
    with pytest.raises(SourceError, match=r"https://\.\.\.@127\.0\.0\.1:1/x\.git cannot be fetched") as refused:
        scanned(source)
    assert "geheim" not in str(refused.value)
