"""A document that was made to stop the gate's own parsers stops their process, and no more than that."""

import os
import resource
import subprocess
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from xtr_assets.core.types import Chunk
from xtr_assets.pipeline.gate.second_reader import SecondReader, Unread
from xtr_assets.pipeline.gate.source_agrees import check
from xtr_assets_tests.documents import pdf
from xtr_assets_tests.pipeline.gate.conftest import Items, Plant, World

CRASH = "os.kill(os.getpid(), 11)"
HANG = "[*iter(int, 1)]"
FILL = "bytearray(1 << 36)"
RAISE = "raise ValueError('odd')"
PRINT = "os.write(1, b'{\"faults\": []}\\n'); raise ValueError('odd')"


def planted(folder: Path, monkeypatch: pytest.MonkeyPatch, does: str) -> None:
    """Another PDFium, for the process that reads a second time: it does something to every document."""
    folder.mkdir()
    (folder / "pypdfium2.py").write_text(f"import os\n{does}\n")
    monkeypatch.syspath_prepend(str(folder))


@pytest.mark.parametrize(
    ("does", "said"),
    [
        (CRASH, "crashed on it"),
        (HANG, "more than 0.3 s of CPU"),
        (FILL, "fails on it .MemoryError"),
        (RAISE, "fails on it .ValueError: odd"),
        (PRINT, "fails on it .ValueError: odd"),
    ],
)
def test_what_a_parser_does_is_done_to_its_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str, said: str
) -> None:
    planted(tmp_path / "planted", monkeypatch, does)
    with SecondReader(cpu_seconds=0.3) as reader:
        with pytest.raises(Unread, match=said):
            reader.document_faults("a.pdf", pdf(["Words."]), [], 10)
        # The next one is read: another process where the first died.
        assert reader.refusal_faults("a.html", b"<p>text</p>", {"unparsable"}) == [
            "it is in quarantine, and any text is HTML"
        ]


def test_a_reader_that_waits_for_ever_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(tmp_path / "planted", monkeypatch, "import time\ntime.sleep(60)")
    with SecondReader(wall_seconds=0.5) as reader, pytest.raises(Unread, match=r"more than 0\.5 s"):
        reader.document_faults("a.pdf", pdf(["Words."]), [], 10)


def test_a_reader_that_hangs_before_it_reads_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A document is more than the pipe holds: whoever writes it waits for the reader."""
    begun = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda _, **given: begun(["sleep", "60"], **given))
    with SecondReader(wall_seconds=0.2) as reader, pytest.raises(Unread, match=r"more than 0\.2 s"):
        reader.document_faults("a.pdf", bytes(1 << 20), [], 10)


def test_no_process_is_left_behind() -> None:
    with SecondReader() as reader:
        assert reader.document_faults("a.pdf", pdf(["Words."]), [], 1)
        assert reader._process is not None
        pid = reader._process.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_build_of_many_open_files_reads_a_second_time() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2048:
        pytest.skip(f"no more than {hard} files may be open")
    resource.setrlimit(resource.RLIMIT_NOFILE, (2048, hard))
    with ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        opened = 0
        while opened < 1100:
            opened = os.open(os.devnull, os.O_RDONLY)
            stack.callback(os.close, opened)
        reader = stack.enter_context(SecondReader())
        assert reader.refusal_faults("a.html", b"<p>text</p>", {"unparsable"})


def papers(world: World, count: int) -> None:
    for n in range(count):
        world.write(f"guide/p{n}.pdf", pdf([f"What page {n} says."]))


def test_one_document_that_stops_its_reader_stops_no_build(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    papers(world, 1)
    session = world.build()
    planted(tmp_path / "planted", monkeypatch, CRASH)
    found = check(session)
    (unread,) = found.details["documents_unread"]
    assert found.passed and unread.startswith("guide/p0.pdf: its second reader crashed on it")


def test_a_reader_that_reads_no_document_at_all_is_no_evidence(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    papers(world, 3)
    session = world.build()
    assert check(session).passed
    planted(tmp_path / "planted", monkeypatch, CRASH)
    found = check(session)
    assert not found.passed and "none of 3 documents could be read a second time" in found.summary


def test_a_reader_that_cannot_be_started_is_no_evidence(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    papers(world, 3)
    session = world.build()

    def full(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", full)
    found = check(session)
    assert not found.passed and "its second reader cannot be started" in found.summary


def test_rows_that_do_not_say_what_their_document_says_are_found_by_the_process(world: World, plant: Plant) -> None:
    def swapped(_: str, path: str, items: Items) -> Items:
        return [
            replace(one, text="Something else altogether.") if path == "p0.pdf" and isinstance(one, Chunk) else one
            for one in items
        ]

    papers(world, 2)
    plant(swapped)
    found = check(world.build())
    assert not found.passed and "p0.pdf" in found.summary
