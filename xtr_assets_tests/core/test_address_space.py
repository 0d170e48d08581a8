"""A build that would crash, or wait for ever, is refused with what it has and what helps."""

import resource
from threading import Thread, active_count

import pytest

from xtr_assets.core.address_space import refuse_narrow_build
from xtr_assets.core.errors import ProviderError


@pytest.mark.parametrize(("limit", "refused"), [(2_000_000, True), (4_000_000, False), (None, False)])
def test_a_build_asks_for_its_address_space(limit: int | None, refused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    there = resource.RLIM_INFINITY if limit is None else limit * 1024
    monkeypatch.setattr(resource, "getrlimit", lambda _: (there, there))
    if not refused:
        refuse_narrow_build()
        return
    with pytest.raises(ProviderError, match=r"is 2000000 kB .* maps more than 2500000; raise it to 4000000"):
        refuse_narrow_build()


def test_a_build_asks_for_its_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    before, begin, left = active_count(), Thread.start, [5]

    def scarce(thread: Thread) -> None:
        if not left[0]:
            raise RuntimeError("can't start new thread")
        left[0] -= 1
        begin(thread)

    monkeypatch.setattr(Thread, "start", scarce)
    with pytest.raises(ProviderError, match=r"needs 16 threads at least, and the system gives it 5; raise `ulimit -u`"):
        refuse_narrow_build()
    assert active_count() == before
