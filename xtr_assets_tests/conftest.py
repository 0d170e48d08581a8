import gc
import os
from collections.abc import Iterator

import hypothesis
import pytest

# Both would be timed assertions: what a busy machine takes for an example says nothing of the code.
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what is marked `long`, unless XTR_ASSETS_LONG is set."""
    if "XTR_ASSETS_LONG" not in os.environ:
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="long: `make test-long` runs it"))


def pytest_collection_finish() -> None:
    """What was imported stays: collections that walk it again and again are 5 % of the CPU time of the builds."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)


def pytest_unconfigure() -> None:
    """What the end of a process lets go of can be collected again."""
    gc.unfreeze()


@pytest.fixture(scope="session", autouse=True)
def cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a host remembers of warehouses lies in the home of whoever runs the tests: not of these."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XTR_ASSETS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def nothing_waits_for_the_disk() -> Iterator[None]:
    """That fsync is called where it must be is what faults/ tests; elsewhere it makes each build wait 0.7 s."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield
