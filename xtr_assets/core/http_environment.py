"""What the environment says of every HTTP client: proxies and certificates."""

import os
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from xtr_assets.core.errors import ConfigError

# Of these names in capitals or not.
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")

Made = TypeVar("Made")


def made_here(make: Callable[[], Made]) -> Made:
    """What `make` makes, an HTTP client. ConfigError where the environment does not let it, naming the variables: their
    values may hold a password."""
    try:
        return make()
    except Exception as error:
        said = [name for name in os.environ if name.upper() in VARIABLES]
        if not said:
            raise
        # What is not installed (SOCKS) is told whole: it holds no value.
        told = str(error).strip() if isinstance(error, ImportError) else type(error).__name__
        raise ConfigError(
            f"no HTTP client can be made as {', '.join(sorted(said))} of the environment say "
            f"({told}); correct or unset what is wrong of them"
        ) from error


def proxy_hint(url: str) -> str:
    """What to say of a server at `url` that was asked by a proxy of the environment; "" where it was not."""
    parts, proxies = urlsplit(url), getproxies_environment()
    name = next((name for name in (parts.scheme, "all") if name in proxies), None)
    if name is None or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return ""
    return f"; it was asked by the proxy that {name.upper()}_PROXY names, and NO_PROXY={parts.hostname} leaves that out"
