"""The retrievers through the real frameworks, over a local searcher and a remote one."""

import asyncio
import importlib
import json
import sys
import threading
from dataclasses import replace
from typing import Any

import pytest

import xtr_assets as xa
from xtr_assets.client.destination import Destination
from xtr_assets.core.errors import InvalidInput, ProviderError
from xtr_assets.integrations.hit_metadata import hit_metadata
from xtr_assets.search.hit_table import Hits
from xtr_assets.search.hits import Copy, Hit
from xtr_assets.search.searcher import Searcher

THERE = Destination("http://there", None, None, 30.0)
WHERE = {"path": {"glob": "new*"}}


class Threads:
    """A searcher that notes which thread asks it."""

    def __init__(self, searcher: Searcher) -> None:
        self.searcher, self.idents = searcher, set[int]()

    def search(self, *given: Any, **named: Any) -> Any:
        self.idents.add(threading.get_ident())
        return self.searcher.search(*given, **named)


HIT = Hit(
    2**62 + 1, 0.5, {"dense": 0.5}, "code", "a.py", "f", "function", 0, 3, 9, "A", "def f():",
    {"path": "b", "team": "ui"}, None, 0.75,
)  # fmt: skip
# All that a framework is told of it: a record's own field takes no other's place.
TOLD = {
    "source": "code", "path": "a.py", "symbol": "f", "kind": "function", "title": "A", "start_line": 3, "end_line": 9,
    "chunk_id": str(2**62 + 1), "score": 0.5, "scores": {"dense": 0.5}, "confidence": 0.75, "team": "ui",
}  # fmt: skip


class Notes:
    """A searcher that notes what it is asked, and answers with one hit."""

    def __init__(self) -> None:
        self.asked: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def search(self, *given: Any, **named: Any) -> Hits:
        self.asked.append((given, named))
        return Hits([HIT])


@pytest.fixture(scope="module")
def langchain() -> Any:
    pytest.importorskip("langchain_core", reason="langchain-core is not installed: its retriever is not tried here")
    from xtr_assets.integrations import langchain

    return langchain.XtrAssetsRetriever


@pytest.fixture(scope="module")
def llama_index() -> Any:
    pytest.importorskip("llama_index.core", reason="llama-index-core is not installed: its retriever is not tried here")
    from xtr_assets.integrations import llama_index

    return llama_index.XtrAssetsRetriever


def test_langchain_gets_what_a_search_gives(langchain: Any, local: Searcher, url: str) -> None:
    wanted = local.search("zebra version", 4, "xtr", WHERE, rescore=40)
    with xa.connect(url) as remote:
        for searcher in (local, remote):
            retriever = langchain(searcher=searcher, k=4, mode="xtr", where=WHERE, settings={"rescore": 40})
            found = retriever.invoke("zebra version")
            assert [(one.id, one.page_content) for one in found] == [(str(hit.chunk_id), hit.text) for hit in wanted]
            first, hit = found[0].metadata, wanted[0]
            assert (first["path"], first["symbol"], first["start_line"]) == (hit.path, hit.symbol, hit.start_line)
            assert (first["score"], first["scores"]) == (hit.score, dict(hit.scores))
            assert json.loads(json.dumps(first)) == first
    assert retriever.model_copy(update={"searcher": local}).invoke("") == []


def test_all_that_is_asked_reaches_the_searcher_and_all_of_a_hit_the_framework(
    langchain: Any, llama_index: Any
) -> None:
    chain, index = Notes(), Notes()
    asked = (("zebra", 4, "xtr", WHERE), {"rescore": 40, "collapse": "symbol"})
    (document,) = langchain(searcher=chain, k=4, mode="xtr", where=WHERE, settings=asked[1]).invoke("zebra")
    (node,) = llama_index(index, 4, "xtr", WHERE, asked[1]).retrieve("zebra")
    assert chain.asked == index.asked == [asked]
    assert document.metadata == node.metadata == TOLD


def test_equal_texts_are_one_document_and_say_where_else_they_stand(langchain: Any, llama_index: Any) -> None:
    chain, index = Notes(), Notes()
    langchain(searcher=chain).invoke("zebra")
    llama_index(index).retrieve("zebra")
    langchain(searcher=chain, collapse=None).invoke("zebra")
    llama_index(index, collapse=None).retrieve("zebra")
    assert [named for _, named in chain.asked] == [{"collapse": "text"}, {"collapse": None}]
    assert [named for _, named in index.asked] == [{"collapse": "text"}, {"collapse": None}]
    folded = replace(HIT, copies=2, also=(Copy(2**62, "docs", "v1.py", "g", 7),))
    also = [
        {"chunk_id": str(2**62), "id": str(2**62), "source": "docs", "path": "v1.py", "symbol": "g", "start_line": 7}
    ]
    assert hit_metadata(folded) == {**TOLD, "copies": 2, "also_in": "docs: v1.py:7 and 1 more", "also": also}
    chain.search = index.search = lambda *_, **__: Hits([folded, replace(HIT, copies=0, chunk_id=2)])  # type: ignore[method-assign]
    (node, alone) = llama_index(index).retrieve("zebra")
    from llama_index.core.schema import MetadataMode

    assert "also_in: docs: v1.py:7 and 1 more" in node.node.get_content(MetadataMode.LLM)
    assert "also" not in node.node.get_content(MetadataMode.EMBED) + alone.node.get_content(MetadataMode.LLM)


def test_a_record_s_own_field_does_not_say_how_likely_a_hit_is_right() -> None:
    told = hit_metadata(replace(HIT, metadata={"confidence": 0.99, "team": "ui"}, confidence=None))
    assert "confidence" not in told and told["team"] == "ui"


def test_the_framework_is_told_how_the_question_was_asked(langchain: Any, llama_index: Any, local: Searcher) -> None:
    for asked, told in (("zebrra", "zebra"), ("zebra", None)):
        (document,) = langchain(searcher=local, k=1, mode="lexical").invoke(asked)
        (found,) = llama_index(local, 1, "lexical").retrieve(asked)
        assert document.metadata.get("corrected") == found.node.metadata.get("corrected") == told


@pytest.mark.parametrize("wrong", ["warehouse", None, xa.AsyncRemoteSearcher(THERE)])
def test_what_a_retriever_cannot_ask_is_refused(langchain: Any, llama_index: Any, wrong: Any) -> None:
    said = f"searcher is a {type(wrong).__name__}; pass what `xa.open` or `xa.connect` gives"
    with pytest.raises(ValueError, match=said):
        langchain(searcher=wrong)
    with pytest.raises(InvalidInput, match=said):
        llama_index(wrong)


def test_langchain_takes_what_one_question_says_and_refuses_a_field_that_there_is_not(langchain: Any) -> None:
    noted = Notes()
    retriever = langchain(searcher=noted, where={"source": "code"}, settings={"rescore": 40})
    once = {"k": 2, "where": WHERE, "rescore": 50}
    retriever.invoke("zebra", **once)
    asyncio.run(retriever.ainvoke("zebra", **once))
    retriever.invoke("zebra")
    narrowed, usual = ("zebra", 2, "hybrid", WHERE), ("zebra", 10, "hybrid", {"source": "code"})
    folded = [{"collapse": "text", "rescore": rescore} for rescore in (50, 50, 40)]
    assert noted.asked == list(zip((narrowed, narrowed, usual), folded, strict=True))
    with pytest.raises(ValueError, match="filter"):
        langchain(searcher=noted, filter={"source": "code"})


def test_langchain_composes_and_awaits(langchain: Any, local: Searcher) -> None:
    from langchain_core.runnables import RunnableLambda

    chain = langchain(searcher=local, k=2) | RunnableLambda(lambda found: [one.page_content for one in found])
    wanted = [hit.text for hit in local.search("parse", 2)]
    assert chain.invoke("parse") == asyncio.run(chain.ainvoke("parse")) == chain.batch(["parse"])[0] == wanted


def test_llama_index_gets_what_a_search_gives(llama_index: Any, local: Searcher, url: str) -> None:
    wanted = local.search("zebra version", 4, "xtr", WHERE, rescore=40)
    with xa.connect(url) as remote:
        for searcher in (local, remote):
            found = llama_index(searcher, 4, "xtr", WHERE, {"rescore": 40}).retrieve("zebra version")
            assert [(one.node_id, one.text, one.score) for one in found] == [
                (str(hit.chunk_id), hit.text, hit.score) for hit in wanted
            ]
            assert found[0].metadata["path"] == wanted[0].path
            from llama_index.core.schema import MetadataMode

            shown = found[0].node.get_content(MetadataMode.LLM)
            assert f"path: {wanted[0].path}" in shown and "score" not in shown and wanted[0].text in shown


def test_llama_index_awaits_in_another_thread(llama_index: Any, local: Searcher) -> None:
    noted = Threads(local)
    found = asyncio.run(llama_index(noted, 2).aretrieve("parse"))
    assert [one.text for one in found] == [hit.text for hit in local.search("parse", 2)]
    assert noted.idents and threading.get_ident() not in noted.idents


def test_the_errors_are_those_of_the_searcher(langchain: Any, llama_index: Any, local: Searcher) -> None:
    with pytest.raises(InvalidInput, match="k is 0"):
        langchain(searcher=local, k=0).invoke("zebra")
    with pytest.raises(InvalidInput, match="k is 0"):
        llama_index(local, 0).retrieve("zebra")


@pytest.mark.parametrize(("module", "package"), [("langchain", "langchain_core"), ("llama_index", "llama_index")])
def test_without_the_framework_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, module: str, package: str) -> None:
    for name in [one for one in sys.modules if one.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"xtr_assets.integrations.{module}", raising=False)
    with pytest.raises(ProviderError, match=f"pip install 'xtr-assets.{module.replace('_', '-')}.'"):
        importlib.import_module(f"xtr_assets.integrations.{module}")
