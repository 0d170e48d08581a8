"""The server of the server's tests, and a local searcher over the same warehouse."""

from xtr_assets_tests.server.conftest import folder, local, url

__all__ = ["folder", "local", "url"]
