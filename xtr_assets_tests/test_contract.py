"""The interface that was agreed on before it was written: each name is there with its arguments, or is named as later.

Written out by hand and not read from the package, so that a name or an argument cannot go unseen.
"""

import inspect
from typing import Any

import pytest
from typer.main import get_command

import xtr_assets
from xtr_assets.cli import app
from xtr_assets.index import DenseIndex, TokenIndex
from xtr_assets.pipeline.gate.registry import CHECKS
from xtr_assets.search import Hit, Hits, Searcher

# (owner, name, arguments in their order; those after "*" are given by name)
SIGNATURES: list[tuple[Any, str, str]] = [
    (xtr_assets, "open", "warehouse device"),
    (xtr_assets.Warehouse, "open", "path"),
    (xtr_assets.Warehouse, "create", "path config"),
    (xtr_assets.Warehouse, "generations", ""),
    (xtr_assets.Warehouse, "publish", "number"),
    (xtr_assets.Warehouse, "rollback", ""),
    (xtr_assets.Warehouse, "withdraw", "number reason"),
    (xtr_assets.Warehouse, "collect", "keep"),
    (xtr_assets.Warehouse, "verify", ""),
    (xtr_assets.Warehouse, "diff", "before after queries"),
    (Searcher, "search", "query k mode where * nprobe ef_search k_prime rescore syntax collapse explain"),
    (Searcher, "search_batch", "queries k"),
    (Searcher, "search_vectors", "queries k"),
    (Searcher, "search_tokens", "queries k"),
    (Searcher, "hydrate", "chunk_ids"),
    (Searcher, "reconstruct", "chunk_ids"),
    (Searcher, "apply", "* dense xtr"),
    (Searcher, "reset", ""),
    (Searcher, "refresh", ""),
    (xtr_assets, "connect", "url token index"),
    (xtr_assets, "connect_async", "url token index"),
    (xtr_assets.RemoteSearcher, "search", "query k mode where"),
    (xtr_assets.RemoteSearcher, "search_batch", "queries k"),
    (xtr_assets.RemoteSearcher, "search_vectors", "queries k"),
    (xtr_assets.RemoteSearcher, "search_tokens", "queries k"),
    (xtr_assets.RemoteSearcher, "hydrate", "chunk_ids"),
    (xtr_assets.RemoteSearcher, "refresh", ""),
    (xtr_assets.RemoteSearcher, "close", ""),
    (Searcher, "close", ""),
    (Hits, "to_arrow", ""),
    (Hits, "to_pandas", ""),
    (DenseIndex, "build", "vectors recipe directory"),
    (DenseIndex, "search", "queries k * nprobe allowed"),
    (DenseIndex, "add", "vectors"),
    (DenseIndex, "remove", "rows"),
    (DenseIndex, "save", "path"),
    (DenseIndex, "load", "path device"),
    (DenseIndex, "apply", "parameters"),
    (DenseIndex, "reset", ""),
    (DenseIndex, "close", ""),
    (TokenIndex, "build", "tokens offsets directory"),
    (TokenIndex, "search", "query_tokens k * k_prime nprobe rescore allowed"),
    (TokenIndex, "exact", "query_tokens k"),
    (TokenIndex, "add", "tokens offsets"),
    (TokenIndex, "remove", "rows"),
    (TokenIndex, "merge", "other"),
    (TokenIndex, "load", "path device mmap"),
    (TokenIndex, "apply", "parameters"),
    (TokenIndex, "reset", ""),
    (TokenIndex, "close", ""),
]

# Read, not called.
PROPERTIES: list[tuple[type, str]] = [
    (xtr_assets.Warehouse, "published"),
    (Searcher, "generation"),
    (Searcher, "profile"),
    (DenseIndex, "ready"),
    (DenseIndex, "profile"),
    (TokenIndex, "ready"),
]

HIT = "chunk_id score scores confidence source path symbol start_line end_line text explanation"

# Command -> what it takes, by the names of its parameters.
COMMANDS = {
    "demo": "",
    "init": "",
    "build": "full accept_shrink",
    "search": "query k mode where explain nprobe ef_search k_prime rescore as_json",
    "status": "as_json",
    "generations": "as_json",
    "diff": "as_json",
    "publish": "number again",
    "rollback": "",
    "withdraw": "number reason",
    "verify": "as_json",
    "gc": "",
    "compact": "",
    "evaluate": "",
    "tune": "",
    "train-head": "out packages judged seeds as_json",
    "health": "as_json",
    "export-idmap": "path generation as_json",
    "export": "path",
    "push": "store dry_run as_json",
    "pull": "store dry_run as_json",
    "mirror": "source target dry_run as_json",
    "import": "path",
    "serve": "host port index tokens",
    "mcp": "index",
}
# Commands that came besides.
BESIDES = {"parts", "plan", "questions"}

VERDICTS = (
    "chunks_schema embeddings_valid tokens_valid dense_recall dense_recall_new_rows xtr_recall id_map_bijection "
    "catalog_consistent files_verified judged_quality rows_everywhere vectors_are_the_texts encoder_canary "
    "finds_itself source_agrees nothing_vanished hits_are_whole known_item shadow_diff list_balance token_drift"
)


def label(value: Any) -> str:
    return str(getattr(value, "__name__", value))


@pytest.mark.parametrize(("owner", "name", "arguments"), SIGNATURES, ids=label)
def test_a_name_is_there_with_its_arguments(owner: Any, name: str, arguments: str) -> None:
    plain, _, named = (part.split() for part in arguments.partition("*"))
    given = [one for one in inspect.signature(getattr(owner, name)).parameters.values() if one.name != "self"]
    positional = [one.name for one in given if one.kind is one.POSITIONAL_OR_KEYWORD]
    assert positional[: len(plain)] == plain
    assert set(named) <= {one.name for one in given}
    # Nothing that the contract leaves out has to be given.
    required = {one.name for one in given if one.default is one.empty and one.kind is not one.VAR_KEYWORD}
    assert required <= {*plain, *named}
    assert inspect.getdoc(getattr(owner, name))


@pytest.mark.parametrize(("owner", "name"), PROPERTIES, ids=label)
def test_a_value_is_read(owner: type, name: str) -> None:
    assert isinstance(inspect.getattr_static(owner, name), property)


@pytest.mark.parametrize("owner", [Searcher, DenseIndex, TokenIndex], ids=label)
def test_what_holds_memory_is_used_in_a_block(owner: Any) -> None:
    assert callable(owner.__enter__) and callable(owner.__exit__)


def test_a_hit_shows_what_was_agreed() -> None:
    assert set(HIT.split()) <= set(inspect.signature(Hit).parameters)


def commands() -> dict[str, Any]:
    found: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_takes_what_was_agreed(command: str) -> None:
    assert set(COMMANDS[command].split()) <= {one.name for one in commands()[command].params}


def test_every_command_is_in_the_contract() -> None:
    assert set(commands()) == set(COMMANDS) | BESIDES


def test_every_check_of_the_contract_is_there() -> None:
    assert set(VERDICTS.split()) <= {check.name for check in CHECKS}
