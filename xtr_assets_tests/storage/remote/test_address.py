"""Addresses name a place and never a credential, and messages repeat none."""

from pathlib import Path

import pytest

from xtr_assets.core.errors import InvalidInput, StoreError
from xtr_assets.storage.remote.address import Address, address_of, store_address, without_secrets
from xtr_assets.storage.remote.object_bucket import ObjectBucket


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("s3://bucket/some/prefix", "s3://bucket/some/prefix"),
        ("s3://bucket/prefix/", "s3://bucket/prefix"),
        ("S3://bucket", "s3://bucket"),
        ("gs://bucket/x", "gs://bucket/x"),
        ("az://container/x", "az://container/x"),
        ("file:///srv/store", "file:///srv/store"),
        ("file:///srv/../etc", "file:///etc"),
        ("memory://one", "memory://one"),
    ],
)
def test_a_url_is_an_address_also_where_pathlib_folded_it(text: str, address: str) -> None:
    assert str(address_of(text)) == address == str(address_of(Path(text)))


def test_a_path_is_none_and_as_a_store_it_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for text in ("warehouse", "/srv/warehouse", "a:b", "./s3:x", "c:"):
        assert address_of(text) is None
    assert store_address("here/../store") == Address("file", str(tmp_path / "store"))


@pytest.mark.parametrize(
    "text",
    [
        "s3://AKIA:hunter22@bucket/x",
        "s3://bucket/x?X-Amz-Signature=hunter22",
        "az://c/x?sig=hunter22",
        "s3://bucket/x#hunter22",
    ],
)
def test_credentials_in_an_address_are_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(InvalidInput, match="environment") as said:
        address_of(text)
    assert "hunter22" not in str(said.value)


@pytest.mark.parametrize(
    "text", ["http://host/x", "ftp://x", "s3://", "s3://b/../c", "s3://b//c", "gs://b/a b", "s3:///"]
)
def test_what_is_no_store_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        address_of(text)


def test_a_server_is_no_store_and_the_way_to_one_is_told() -> None:
    with pytest.raises(InvalidInput, match=r"xtr_assets\.connect"):
        address_of("http://localhost:8080")


def test_messages_of_libraries_lose_their_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "Zm9vYmFyYmF6")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    text = without_secrets(
        "GET https://user:p@w@host/b/c?sv=2021&sig=abc%3D (eu-west-1) with wJalrXUtnFEMI/K7MDENG or Zm9vYmFyYmF6 failed"
    )
    assert text == "GET https://...@host/b/c?... (eu-west-1) with ... or ... failed"


def test_an_error_of_a_real_client_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens at this port: the client gives up, and says so without what the environment holds."""
    from xtr_assets.storage.remote import object_bucket
    from xtr_assets.storage.remote.bucket import Interrupted

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter22hunter22")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setattr(object_bucket, "RETRIES", 0)
    bucket = ObjectBucket(Address("s3", "bucket/x"))
    with pytest.raises((Interrupted, StoreError)) as said:
        bucket.stat("store.json")
    text = str(said.value)
    assert "hunter22" not in text and "AKIAEXAMPLE" not in text and "\n" not in text
    assert said.value.__cause__ is None and said.value.__suppress_context__
