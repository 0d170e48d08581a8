"""What the routes answer, held against the library in process."""

from typing import Any

import httpx
import pytest

from xtr_assets.client.wire import arrays_of, hits_of
from xtr_assets.search.request import MODES
from xtr_assets.search.searcher import Searcher
from xtr_assets.server.limits import Limits
from xtr_assets.server.openapi import openapi_document
from xtr_assets.server.question import SETTINGS
from xtr_assets_tests.fixtures import ENCODER


def ask(client: httpx.Client, **document: Any) -> dict[str, Any]:
    answer = client.post("/v1/search", json=document)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert answer.headers["Xtr-Generation"] == str(found["generation"])
    return found


@pytest.mark.parametrize("mode", MODES)
def test_a_search_answers_what_the_library_answers(client: httpx.Client, local: Searcher, mode: Any) -> None:
    found = ask(client, query="zebra parse text", k=7, mode=mode)
    assert (found["index"], found["generation"], found["mode"]) == ("docs", 1, mode)
    assert hits_of(found["hits"]) == local.search("zebra parse text", 7, mode)
    assert [hit["rank"] for hit in found["hits"]] == [*range(1, 8)]
    assert all(hit["id"] == str(hit["chunk_id"]) for hit in found["hits"])


def test_filters_settings_and_explanations_reach_the_searcher(client: httpx.Client, local: Searcher) -> None:
    where = {"path": {"not": {"glob": "new*"}}, "start_line": {"gte": 3}}
    found = ask(client, query="parse", k=5, where=where, rescore=50, fusion="rrf", explain=True)
    wanted = local.search("parse", 5, where=where, rescore=50, fusion="rrf", explain=True)
    assert hits_of(found["hits"]) == wanted
    assert wanted[0].explanation is not None and found["hits"][0]["explanation"]["tokens"]


def test_a_query_whose_spelling_was_corrected_says_what_was_asked(client: httpx.Client, local: Searcher) -> None:
    found = ask(client, query="zebrra", k=3, mode="lexical")
    assert found["corrected"] == "zebra" and hits_of(found["hits"]) == local.search("zebra", 3, "lexical")
    assert "corrected" not in ask(client, query="zebra", k=3, mode="lexical")
    assert ask(client, query="zebrra", k=3, mode="lexical", syntax="plain")["hits"] == []
    several = ask(client, queries=["zebra", "zebrra"], k=3, mode="lexical")["results"]
    assert [one.get("corrected") for one in several] == [None, "zebra"]


def test_a_batch_answers_each_in_its_place_and_an_empty_query_finds_nothing(
    client: httpx.Client, local: Searcher
) -> None:
    found = ask(client, queries=["zebra 3", "", "parse"], k=3)
    assert [len(one["hits"]) for one in found["results"]] == [3, 0, 3]
    assert [hits_of(one["hits"]) for one in found["results"]] == local.search_batch(["zebra 3", "", "parse"], 3)
    assert ask(client, queries=[])["results"] == []


def test_vectors_and_tokens_are_searched_with_and_without_texts(client: httpx.Client, local: Searcher) -> None:
    encoded = ENCODER.encode_queries(["zebra version", "parse"])
    bare = ask(client, vectors=encoded.embeddings.tolist(), k=4, hydrate=False)
    scores, ids = local.search_vectors(encoded.embeddings, 4)
    got_scores, got_ids = arrays_of(bare["results"], 4)
    assert (got_ids == ids).all() and (got_scores == scores).all()
    # The number as text is there for who rounds it.
    assert [hit["id"] for hit in bare["results"][0]["hits"]] == [str(one) for one in ids[0]]
    (hit,) = ask(client, query="zebra version", k=1, hydrate=False)["hits"]
    assert set(hit) == {"rank", "chunk_id", "id", "score", "scores", "confidence"}
    tokens = ask(client, tokens=[one.tolist() for one in encoded.tokens], k=4)
    scores, ids = local.search_tokens(encoded.tokens, 4)
    first = tokens["results"][0]["hits"][0]
    assert first["chunk_id"] == ids[0, 0] and first["scores"] == {"xtr": first["score"]} and "zebra" in first["text"]


def test_a_chunk_is_read_with_what_stands_around_it(client: httpx.Client, local: Searcher) -> None:
    file = sorted(local.search("parse", 100, where={"path": "old2.py"}), key=lambda hit: hit.start_line)
    answer = client.get(f"/v1/chunks/{file[3].chunk_id}", params={"before": 2, "after": 50}).json()
    assert answer["chunk"]["text"] == file[3].text and answer["chunk"]["score"] is None
    assert [one["chunk_id"] for one in answer["before"]] == [one.chunk_id for one in file[1:3]]
    assert [one["chunk_id"] for one in answer["after"]] == [one.chunk_id for one in file[4:]]
    ids = [file[5].chunk_id, file[0].chunk_id]
    several = client.get("/v1/chunks", params={"ids": ",".join(map(str, ids))}).json()
    assert [one["chunk_id"] for one in several["chunks"]] == ids


def test_generations_metrics_and_health_are_shown(client: httpx.Client) -> None:
    about = client.get("/v1/generation").json()
    assert (about["generation"], about["published"], about["problem"], about["live_rows"]) == (1, 1, None, 80)
    (only,) = client.get("/v1/generations").json()["generations"]
    assert (only["generation"], only["state"]) == (1, "published")
    assert client.get("/healthz").json() == {"ok": True}
    assert client.get("/readyz").json()["indexes"] == {"docs": {"answers": True, "generation": 1, "problem": None}}
    metrics = client.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    assert 'xtr_assets_server_requests_total{route="/healthz",status="200"}' in metrics.text


def test_openapi_names_every_route_and_every_setting_of_the_searcher(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    assert document == openapi_document(Limits())
    for path in document["paths"]:
        got = client.get(path.replace("{chunk_id}", "1"))
        assert got.status_code != 404 or "chunk 1 is not" in got.text, path
    request = document["paths"]["/v1/search"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert {"nprobe", "k_prime", "explain", "fusion"} <= set(SETTINGS["queries"]) <= set(request["properties"])


def test_no_answer_tells_of_a_place_on_the_machine(client: httpx.Client, folder: Any) -> None:
    for path in ("/v1/generation", "/v1/generations", "/readyz", "/openapi.json", "/v1/chunks/1"):
        assert str(folder.parent) not in client.get(path).text
