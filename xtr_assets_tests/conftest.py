from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a host remembers of warehouses lies in the home of whoever runs the tests: not of these."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XTR_ASSETS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
