"""Proxies and certificates of the environment: what is wrong of them is told by name, and a proxy is not forgotten."""

import httpx
import pytest

import xtr_assets as xa
from xtr_assets.core.http_environment import VARIABLES, made_here, proxy_hint


@pytest.fixture(autouse=True)
def none_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTP_PROXY", "ftp://name:secret@host:1"),
        ("https_proxy", "http://name:secret:x"),
        ("NO_PROXY", "[::1"),
        ("SSL_CERT_FILE", "/nowhere/at/all"),
    ],
)
def test_what_is_wrong_of_the_environment_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(xa.ConfigError, match=rf"as {name} of the environment say.* correct or unset") as told:
        xa.connect("http://127.0.0.1:9")
    assert "secret" not in str(told.value)


def test_what_is_not_of_the_environment_is_raised_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        made_here(lambda: 1 // 0)
    made_here(httpx.Client).close()


def test_a_proxy_that_a_server_was_asked_by_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://name:secret@127.0.0.1:9")
    with pytest.raises(xa.RemoteError, match=r"by the proxy that HTTP_PROXY names, and NO_PROXY=127.0.0.2") as told:
        xa.connect("http://127.0.0.2:9")
    assert "secret" not in str(told.value)
    assert proxy_hint("https://127.0.0.2:9") == ""
    monkeypatch.setenv("no_proxy", "127.0.0.2")
    assert proxy_hint("http://127.0.0.2:9") == ""
