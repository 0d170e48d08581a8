import hashlib
from pathlib import Path
from time import perf_counter

import pytest

from xtr_assets.core.errors import SourceError
from xtr_assets.core.types import Quarantined
from xtr_assets.sources.base import FileSource
from xtr_assets.sources.file_scan import Listing
from xtr_assets_tests.sources.conftest import Opener, chunks, refusals, write


def test_python_files_are_read_in_the_encoding_they_declare(tmp_path: Path, opened: Opener) -> None:
    latin = "# -*- coding: latin-1 -*-\nNAME = 'café'\n"
    write(tmp_path, "latin.py", latin.encode("latin-1"))
    write(tmp_path, "bom.py", b"\xef\xbb\xbfdef f(): pass\r\n")
    source = opened("python")
    assert chunks(source, "latin.py")[0].text == latin.strip()
    found = chunks(source, "bom.py")[0]
    assert (found.symbol, found.text, found.start_line, found.end_line) == ("f", "def f(): pass", 1, 1)


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        (b"x = 1\ny = '\xff'\n", 2, "undecodable"),
        (b"# coding: no-such-codec\n", 1, "undecodable"),
        (b"# coding: rot13\nk = 1\n", 1, "undecodable"),
        (b"# coding: Punycode\nk = 1-a\n", 1, "undecodable"),
        (b"# coding: idna\nk = 1\n", 1, "undecodable"),
        (b"x = 1\n\ny = '\0'\n", 3, "null-bytes"),
        (b"x = 1\ndef f(:\n", 2, "unparsable"),
        (b"x = " + b"-" * 50_000 + b"1\n", 0, "unparsable"),
        (b"print 'two'\n", 1, "unparsable"),
    ],
)
def test_a_python_file_that_is_none_is_quarantined_with_reason_and_line(
    tmp_path: Path, opened: Opener, content: bytes, line: int, reason: str
) -> None:
    write(tmp_path, "a.py", content)
    found = list(opened("python").read("a.py"))
    assert len(found) == 1 and isinstance(found[0], Quarantined)
    assert (found[0].source, found[0].path, found[0].line, found[0].reason) == ("lib", "a.py", line, reason)
    assert found[0].detail


def test_warnings_about_the_indexed_code_are_not_ours(
    tmp_path: Path, opened: Opener, recwarn: pytest.WarningsRecorder
) -> None:
    write(tmp_path, "a.py", "x = '\\d'\nassert (1, 'always')\n")
    assert len(chunks(opened("python"), "a.py")) == 1
    assert len(recwarn) == 0


def test_text_is_read_by_suffix_and_byte_order_mark(tmp_path: Path, opened: Opener) -> None:
    write(tmp_path, "a.md", "\ufeff# Head\r\n\r\ntext\r\n".encode())
    write(tmp_path, "b.txt", "# no héad".encode("utf-16"))
    write(tmp_path, "c.rst", "Head\n====\n\ntext")
    write(tmp_path, "d.wiki", "= plain")
    for name in ("e.mdx", "f.qmd", "g.Rmd"):
        write(tmp_path, name, "import Tabs from './tabs'\n\n# Head\n\n<Tabs>\n\ntext\n\n</Tabs>\n")
    source = opened("text")
    assert list(source.scan("lib", {})) == ["a.md", "b.txt", "c.rst", "e.mdx", "f.qmd", "g.Rmd"]
    for name in ("e.mdx", "f.qmd", "g.Rmd"):
        assert [(c.symbol, c.start_line, c.end_line) for c in chunks(source, name)] == [("", 1, 1), ("Head", 3, 9)]
    assert [(c.symbol, c.text) for c in chunks(source, "a.md")] == [("Head", "# Head\n\ntext")]
    assert [(c.symbol, c.text) for c in chunks(source, "b.txt")] == [("", "# no héad")]
    assert [(c.symbol, c.text) for c in chunks(source, "c.rst")] == [("Head", "Head\n====\n\ntext")]
    assert chunks(opened("text", include=("*.wiki",)), "d.wiki")[0].kind == "text"


def test_text_that_is_none_is_quarantined(tmp_path: Path, opened: Opener) -> None:
    write(tmp_path, "latin.txt", b"one\ncaf\xe9\n")
    write(tmp_path, "binary.txt", b"one\n\0\0")
    write(tmp_path, "empty.txt", b"")
    source = opened("text")
    assert refusals(source, "latin.txt") == [(2, "undecodable")]
    assert refusals(source, "binary.txt") == [(2, "null-bytes")]
    assert chunks(source, "empty.txt") == []


@pytest.mark.parametrize(
    "error", [ValueError("odd"), RecursionError("deep"), MemoryError(), KeyError("x"), TypeError()]
)
def test_whatever_a_parser_raises_is_said_of_the_file_and_the_next_one_is_read(
    error: Exception, tmp_path: Path, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "a.txt", "one")
    source = opened("text")

    def broken(*_: object) -> object:
        raise error

    monkeypatch.setattr(source, "read_file", broken)
    (found,) = source.read("a.txt")
    assert isinstance(found, Quarantined)
    assert (found.path, found.line, found.reason) == ("a.txt", 0, "unreadable")
    assert found.detail.startswith(type(error).__name__)


def test_a_file_that_is_too_large_is_not_looked_into_and_says_by_how_much(tmp_path: Path, opened: Opener) -> None:
    with (tmp_path / "sparse.md").open("wb") as file:
        file.truncate(1 << 40)
    write(tmp_path, "b.md", "# B")
    source = opened("text")
    started = perf_counter()
    state = source.scan("lib", {})["sparse.md"]
    found = list(source.read("sparse.md"))
    assert perf_counter() - started < 5
    assert state.size == 1 << 40 and not state.unread
    assert isinstance(found[0], Quarantined) and found[0].reason == "too-large"
    assert "1,099,511,627,776 bytes" in found[0].detail and "33,554,432" in found[0].detail


def test_a_raised_limit_reads_what_was_too_large(tmp_path: Path, opened: Opener) -> None:
    write(tmp_path, "a.py", "x = 1\n" * 100)
    small, large = opened("python", max_file_bytes=10), opened("python")
    assert isinstance(next(iter(small.read("a.py"))), Quarantined)
    known = small.scan("lib", {})
    assert small.fingerprint() != large.fingerprint()
    assert large.scan("lib", known)["a.py"].sha256 == hashlib.sha256(b"x = 1\n" * 100).hexdigest()
    assert chunks(large, "a.py")


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="no /proc")
def test_a_file_of_the_system_is_stale_and_none_waits_for_it(tmp_path: Path, opened: Opener) -> None:
    for name in ("version", "kmsg", "kcore"):
        (tmp_path / f"{name}.md").symlink_to(f"/proc/{name}")
    write(tmp_path, "b.md", "# B")
    states = opened("text").scan("lib", {})
    assert "says that it is empty" in states["version.md"].unread
    assert not states["b.md"].unread


def test_the_shards_of_a_source_are_of_one_listing_where_that_is_asked(
    tmp_path: Path, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        write(tmp_path, f"{number}.md", f"text {number}")
    source = opened("text", shards=3)
    assert isinstance(source, FileSource)
    alone = {shard: source.scan(shard, {}) for shard in source.shards()}
    asked: list[Listing] = []
    listing = source.listing

    def counted() -> Listing:
        asked.append(listing())
        return asked[-1]

    monkeypatch.setattr(source, "listing", counted)
    with source.one_listing():
        first, *others = source.shards()
        found = {first: source.scan(first, {})}
        write(tmp_path, "late.md", "came meanwhile")
        gone = next(iter(alone[others[0]]))
        (tmp_path / gone).unlink()
        found |= {shard: source.scan(shard, {}) for shard in others}
    assert len(asked) == 1
    assert found == {shard: {path: one for path, one in held.items() if path != gone} for shard, held in alone.items()}
    assert "late.md" in {path for shard in source.shards() for path in source.scan(shard, {})} and len(asked) == 4


def test_a_listing_that_failed_is_asked_for_again(tmp_path: Path, opened: Opener) -> None:
    source = opened("text", shards=2)
    assert isinstance(source, FileSource)
    with source.one_listing():
        with pytest.raises(SourceError):
            source.scan(source.shards()[0], {})
        write(tmp_path, "a.md", "mounted again")
        assert sum(len(source.scan(shard, {})) for shard in source.shards()) == 1


def test_sections_of_other_markup_and_no_key_of_pgp(tmp_path: Path, opened: Opener) -> None:
    write(tmp_path, "a.asc", "= Guide\n\n== Use\n\ntext")
    write(tmp_path, "b.org", "* Use\ntext")
    write(tmp_path, "c.tex", "\\section{Use}\ntext")
    write(tmp_path, "d.asc", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nabc")
    source = opened("text")
    assert list(source.scan("lib", {})) == ["a.asc", "b.org", "c.tex", "d.asc"]
    assert [chunks(source, path)[0].symbol for path in ("a.asc", "b.org", "c.tex")] == ["Guide > Use", "Use", "Use"]
    (refused,) = source.read("d.asc")
    assert isinstance(refused, Quarantined) and "PGP" in refused.detail
