"""A server over a set of parts: every route answers, and a move of the set is what it follows."""

import time
from pathlib import Path

import httpx

import xtr_assets as xa
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets_tests.fixtures import make_chunk, publish_chunks
from xtr_assets_tests.server.site import served


def build(parts: PartSet, part: str, said: str) -> None:
    chunks = [make_chunk(f"{part}/{i}.py", f"f{i}", f"{said} text {i}", source=part) for i in range(4)]
    publish_chunks(parts.warehouse(part), chunks, shard=part, recipe="Flat")


def test_a_served_set_answers_as_any_index_and_follows_its_moves(tmp_path: Path) -> None:
    parts = PartSet.create(tmp_path / "set")
    for name in ("a", "b"):
        parts.add(name)
        build(parts, name, "zebra")
    parts.publish(force_reason="no gate here")
    with served({"docs": parts.root}) as url, xa.connect(url) as client, httpx.Client(base_url=url) as http:
        hits = client.search("zebra text", 8)
        with xa.open(parts.root, "cpu") as local:
            assert [(hit.chunk_id, hit.score, hit.scores) for hit in hits] == [
                (hit.chunk_id, hit.score, hit.scores) for hit in local.search("zebra text", 8)
            ]
        assert {hit.source for hit in hits} == {"a", "b"}
        about = http.get("/v1/generation").json()
        assert (about["generation"], about["published"], about["live_rows"], about["problem"]) == (1, 1, 8, None)
        facets = http.get("/v1/facets").json()
        assert {one["source"]: one["chunks"] for one in facets["sources"]} == {"a": 4, "b": 4}
        chunk = http.get(f"/v1/chunks/{hits[0].chunk_id}").json()
        assert chunk["chunk"]["path"] == hits[0].path
        # What a part publishes by itself is not followed; the move is.
        build(parts, "b", "giraffe")
        time.sleep(0.1)
        assert client.generation == 1 and not any("giraffe" in hit.text for hit in client.search("giraffe", 8))
        parts.publish(force_reason="no gate here")
        until = time.monotonic() + 20
        while client.generation == 1 and time.monotonic() < until:
            time.sleep(0.02)
        assert client.generation == 2 and "giraffe" in client.search("giraffe", 1)[0].text
        state = http.get("/v1/state").json()
        assert [one["shard"] for one in state["shards"]] == ["a", "b"] and not any(s["ahead"] for s in state["shards"])
        assert [(one["generation"], one["previous"], one["forced"]) for one in state["history"]] == [
            (2, 1, True),
            (1, None, True),
        ]
        listed = http.get("/v1/generations").json()
        assert [(one["generation"], one["state"]) for one in listed["generations"]] == [
            (1, "retired"),
            (2, "published"),
        ]
        assert http.get("/readyz").status_code == 200
