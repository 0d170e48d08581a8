"""A build that somebody stops is stopped: whichever step it is in, it ends as a stopped process does, and the next one
builds what it left."""

import signal
from collections.abc import Iterator

import pytest

from xtr_assets.defs.assets import chunks, published
from xtr_assets_tests.defs.conftest import Project


@pytest.fixture
def told() -> Iterator[list[int]]:
    """The signals that a handler of the caller was told of: one for SIGTERM, that returns. SIGINT is
    Python's own, which a worker of the tests ignores."""
    came: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield came
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    ("step", "sign"),
    [
        ("chunks", signal.SIGINT),
        ("published", signal.SIGTERM),
        pytest.param("chunks", signal.SIGTERM, marks=pytest.mark.long),
        pytest.param("published", signal.SIGINT, marks=pytest.mark.long),
    ],
)
def test_a_signal_in_a_step_reaches_who_listened_before_the_build(
    project: Project, monkeypatch: pytest.MonkeyPatch, told: list[int], sign: signal.Signals, step: str
) -> None:
    (project.modules / "queue.py").write_text("def fresh():\n    return 1\n")
    module, name = {"chunks": (chunks, "write_chunks"), "published": (published, "finish")}[step]
    real = getattr(module, name)

    def stopped(*args: object, **options: object) -> object:
        signal.raise_signal(sign)
        return real(*args, **options)

    handlers = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    with monkeypatch.context() as patched:
        patched.setattr(module, name, stopped)
        if sign is signal.SIGINT:
            with pytest.raises(KeyboardInterrupt):
                project.build()
        else:
            with pytest.raises(Exception, match="see the run"):
                project.build()
            assert told == [signal.SIGTERM]
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert project.published == 1

    assert project.build().published
    assert "fresh" in project.symbols() and told in ([], [signal.SIGTERM])
