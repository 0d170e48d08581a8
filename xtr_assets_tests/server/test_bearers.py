"""Tokens: several by name, revoked without a restart, never logged; a file that is gone opens nothing."""

import logging
import os
from pathlib import Path

import httpx
import pytest

import xtr_assets as xa
from xtr_assets.core.errors import ConfigError
from xtr_assets.server import bearers as bearers_of
from xtr_assets.server.bearers import Bearers
from xtr_assets.server.runner import Address, names_for
from xtr_assets_tests.server.site import served

ANNA, BOB = "a" * 32, "b" * 40


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.write_text(f"# who may ask\nanna {ANNA}\n\nbob   {BOB}  # until May\n")
    path.chmod(0o600)
    return path


def test_each_token_has_its_name(file: Path) -> None:
    bearers = Bearers(file, f"carl {'c' * 20}")
    assert not bearers.open and bearers.problem() is None
    assert bearers.name_of(f"Bearer {ANNA}") == "anna"
    assert bearers.name_of(f"bearer {BOB}") == "bob"
    assert bearers.name_of(f"Bearer {'c' * 20}") == "carl"


def test_a_name_has_several_tokens_until_the_line_of_one_is_taken_out(file: Path) -> None:
    """The old one counts until whoever holds it has the new one; nothing is dropped without a word."""
    bearers, new = Bearers(file), "n" * 32
    file.write_text(f"anna {ANNA}\nanna {new}\n")
    assert [bearers.name_of(f"Bearer {one}") for one in (ANNA, new)] == ["anna", "anna"]
    file.write_text(f"anna {new}\n")
    assert [bearers.name_of(f"Bearer {one}") for one in (ANNA, new)] == [None, "anna"]


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", f"Basic {ANNA}", ANNA, f"Bearer {ANNA}x", "Bearer ü"]
)
def test_anything_else_is_nobody(file: Path, header: str | None) -> None:
    assert Bearers(file).name_of(header) is None


def test_a_token_is_revoked_by_a_file_of_the_same_size_and_time(file: Path) -> None:
    """`cp -p` over it, or an editor that keeps times."""
    bearers, before = Bearers(file), file.stat()
    with file.open("r+") as written:
        written.write(file.read_text().replace(ANNA, "z" * 32))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = file.stat()
    assert (after.st_mtime_ns, after.st_size, after.st_ino) == (before.st_mtime_ns, before.st_size, before.st_ino)
    assert bearers.name_of(f"Bearer {ANNA}") is None and bearers.name_of(f"Bearer {'z' * 32}") == "anna"


def test_a_file_that_is_replaced_while_a_server_starts_is_read_again(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = bearers_of._lines

    def replaced(path: Path) -> list[str]:
        lines = read(path)
        path.write_text(f"bob {BOB}\n")
        return lines

    monkeypatch.setattr(bearers_of, "_lines", replaced)
    bearers = Bearers(file)
    monkeypatch.setattr(bearers_of, "_lines", read)
    assert bearers.name_of(f"Bearer {ANNA}") is None and bearers.name_of(f"Bearer {BOB}") == "bob"


def test_a_line_taken_out_is_revoked_and_one_put_in_counts(file: Path) -> None:
    bearers = Bearers(file)
    file.write_text(f"bob {BOB}\ndora {'d' * 32}\n")
    assert bearers.name_of(f"Bearer {ANNA}") is None
    assert bearers.name_of(f"Bearer {BOB}") == "bob"
    assert bearers.name_of(f"Bearer {'d' * 32}") == "dora"


def test_a_file_replaced_within_one_tick_of_the_clock_is_read_again(file: Path) -> None:
    bearers, before = Bearers(file), file.stat()
    other = file.with_name("other")
    other.write_text(file.read_text().replace("a" * 32, "e" * 32))
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(file)
    assert bearers.name_of(f"Bearer {ANNA}") is None and bearers.name_of(f"Bearer {'e' * 32}") == "anna"


def test_a_file_that_is_gone_lets_nobody_in_and_one_that_is_back_does(file: Path) -> None:
    bearers, text = Bearers(file), file.read_text()
    file.unlink()
    assert bearers.name_of(f"Bearer {ANNA}") is None and not bearers.open
    assert bearers.problem() == "no token is valid: the token file is gone or empty"
    file.write_text(text)
    assert bearers.name_of(f"Bearer {ANNA}") == "anna" and bearers.problem() is None
    file.write_text("")
    assert bearers.name_of(f"Bearer {ANNA}") is None and bearers.problem() is not None


def test_a_slip_in_one_line_locks_out_that_line_alone_and_shows_no_token(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bearers = Bearers(file)
    file.write_text(f"anna{ANNA}\nbob {BOB}\nshort secret\n")
    with caplog.at_level(logging.DEBUG):
        assert bearers.name_of(f"Bearer {BOB}") == "bob"
        assert bearers.name_of(f"Bearer {ANNA}") is None
    assert "entry 1" in caplog.text and "entry 3" in caplog.text
    assert not [word for word in (ANNA, BOB, "secret") if word in caplog.text]


@pytest.mark.parametrize(
    "text", ["", "# nobody\n", "anna\n", "anna short\n", f"an na {ANNA}\n", f"ä {ANNA}\n", "x" * 64]
)
def test_a_file_that_lets_nobody_in_is_refused_at_the_start(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tokens"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="openssl rand -hex 32") as refused:
        Bearers(path)
    assert ANNA not in str(refused.value)
    with pytest.raises(ConfigError):
        Bearers(None, text or " ")


def test_a_missing_file_is_refused_and_one_that_others_read_is_warned_of(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read .No such file"):
        Bearers(file.with_name("nowhere"))
    file.chmod(0o644)
    Bearers(file)
    assert "chmod 600" in caplog.text


def test_an_address_that_others_reach_wants_tokens(file: Path) -> None:
    nobody = Bearers(variable=None)
    assert names_for(Address("127.0.0.1"), nobody) == {"127.0.0.1", "localhost", "::1"}
    assert names_for(Address("0.0.0.0"), Bearers(file)) is None
    assert names_for(Address("0.0.0.0", anyone=True), nobody) is None
    for host in ("0.0.0.0", "::", "10.0.0.1", "example.org"):
        with pytest.raises(ConfigError, match="give --tokens FILE"):
            names_for(Address(host), nobody)


def test_a_server_with_tokens_answers_their_holders_alone(
    folder: Path, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), served({"docs": folder}, bearers=Bearers(file)) as url:
        for path in ("/v1/generation", "/v1/generations", "/v1/chunks/1", "/metrics", "/nowhere"):
            answer = httpx.get(url + path)
            assert answer.status_code == 401 and answer.headers["WWW-Authenticate"] == "Bearer", path
        two = [("Authorization", f"Bearer {ANNA}"), ("Authorization", "Bearer x")]
        assert httpx.get(url + "/v1/generation", headers=two).status_code == 401
        for path in ("/healthz", "/readyz", "/openapi.json"):
            assert httpx.get(url + path).status_code == 200, path
        with xa.connect(url, token=ANNA) as anna:
            assert anna.search("zebra", 1)
            with pytest.raises(xa.Unauthorized, match="no valid token"):
                xa.connect(url, token="x" * 32)
            file.write_text(f"bob {BOB}\n")
            with pytest.raises(xa.Unauthorized):
                anna.search("zebra", 1)
        file.unlink()
        with pytest.raises(xa.Unauthorized):
            xa.connect(url, token=BOB)
        assert httpx.get(url + "/readyz").json()["problem"] == "no token is valid: the token file is gone or empty"
    assert ANNA not in caplog.text and BOB not in caplog.text
