"""Where an object store is: a URL of bucket and prefix, and never a credential."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from xtr_assets.core.errors import InvalidInput, StoreError

# What a store says of itself.
STORE_NAME = "store.json"
SCHEMES = ("s3", "gs", "az", "file", "memory")
# A reader of a store without a lease takes this long at most from its look at the pointer to the last file. It is the
# age, too, from which on files that nothing names are garbage rather than a push under way. It stands here for those
# who name it without importing what collects.
GRACE_HOURS = 24.0

# pathlib folds the two slashes of a URL into one: an option that takes paths gives `s3:/bucket/prefix`.
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):/+(.*)", re.DOTALL)
# A part of a name that every store and every file system takes.
_PART = re.compile(r"[A-Za-z0-9_=+~,.\-]{1,200}")
# What stores take secrets from. Their values must not reach a message, whatever a library says in its errors.
_SECRET = re.compile(r"(?i)(AWS|AZURE|GOOGLE|GCP|GCS|MINIO)_?.*(SECRET|KEY|TOKEN|SAS|PASSWORD|CREDENTIAL)")
_QUERY = re.compile(r"\?[^\s\"'()<>]+")
# To the last `@` before the path: a password may hold one.
_USER = re.compile(r"://[^\s/\"']*@")
# A value of fewer characters is no secret, and taking it out would take words apart.
_SHORTEST_SECRET = 6


@dataclass(frozen=True, slots=True)
class Address:
    """A store: `s3://bucket/prefix`. `place` is bucket and prefix, or the absolute path of a folder."""

    scheme: str
    place: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.place}"


def address_of(text: str | Path) -> Address | None:
    """The store that a URL names; None where it is a path. InvalidInput for a URL of no store, or with credentials."""
    found = _URL.fullmatch(str(text))
    if found is None:
        return None
    scheme, rest = found[1].lower(), found[2].rstrip("/")
    if "@" in rest.split("/")[0] or "?" in rest or "#" in rest:
        raise InvalidInput(
            f"the address of a store ({scheme}://...) holds a user, a query or a fragment, which is not repeated here; "
            "credentials belong in the environment (AWS_ACCESS_KEY_ID, GOOGLE_APPLICATION_CREDENTIALS, "
            "AZURE_STORAGE_ACCOUNT_KEY) or in the store's own chain"
        )
    if scheme not in SCHEMES:
        served = "; a server is asked by `xtr_assets.connect`" if scheme in ("http", "https") else ""
        stores = ", ".join(f"{one}://" for one in SCHEMES)
        raise InvalidInput(f"{scheme}:// is no object store; there are {stores}{served}")
    if scheme == "file":
        return Address(scheme, _folder("/" + rest))
    parts = rest.split("/")
    for part in parts:
        if part in (".", "..") or not _PART.fullmatch(part):
            raise InvalidInput(f"{part!r} cannot be a part of a store's address; write {scheme}://bucket/prefix")
    return Address(scheme, "/".join(parts))


def store_address(text: str | Path) -> Address:
    """The same, where a path is a store in that folder."""
    return address_of(text) or Address("file", _folder(str(Path(text).absolute())))


def _folder(path: str) -> str:
    """The folder of a warehouse or a store. InvalidInput for a name that is no UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"the folder {path!r} has a name that is no UTF-8, in which no warehouse and no store can lie; rename it, "
            "or name another"
        ) from error
    return os.path.normpath(path)


def refuse_nameless(path: object) -> None:
    """InvalidInput for what names no place: a variable that is not set is None, or empty, and an empty path is the
    folder that one happens to be in."""
    if not isinstance(path, str | os.PathLike):
        raise InvalidInput(f"the warehouse is a {type(path).__name__}; give the path of a folder, or an address")
    if not str(path).strip():
        raise InvalidInput(
            f"the warehouse is {str(path)!r}; give the path of a folder (`.` for this one), or an address"
        )


def refuse_address(path: str | Path) -> None:
    """StoreError where a folder is meant and a store is named: nothing is built or published in one. InvalidInput for a
    folder whose name is no UTF-8: FAISS and Arrow open text alone."""
    refuse_nameless(path)
    if (address := address_of(path)) is not None:
        raise StoreError(
            f"{address} is an object store, and a warehouse in a folder is needed here; `xtr_assets.open` and "
            "`xtr-assets search -w` read a store, `pull` brings it into a folder, `push` takes it there"
        )
    _folder(str(Path(path).absolute()))


def without_secrets(text: str) -> str:
    """A message of a library with neither queries and users of URLs, nor values that the environment keeps secret."""
    text = _USER.sub("://...@", _QUERY.sub("?...", text))
    for name, value in os.environ.items():
        if len(value) >= _SHORTEST_SECRET and _SECRET.fullmatch(name):
            text = text.replace(value, "...")
    return text
