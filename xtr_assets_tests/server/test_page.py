"""The page as a file: what it may load, what it may do, and what it is told; no browser needed."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from selectolax.lexbor import LexborHTMLParser

from xtr_assets.search.searcher import Searcher
from xtr_assets.server.bearers import Bearers
from xtr_assets.server.facets import MOST_FOLDERS, facets
from xtr_assets.server.overview import _check
from xtr_assets.server.page_files import FILES
from xtr_assets.storage.manifest import CheckRecord
from xtr_assets_tests.fixtures import make_chunk, new_warehouse, write_shard
from xtr_assets_tests.server.hostile import PATHS
from xtr_assets_tests.server.site import served

TOKEN = "a" * 32
SCRIPTS = {name: data.decode() for name, (data, kind) in FILES.items() if kind == "text/javascript"}
PAGE = FILES["/"][0].decode()


@pytest.fixture(scope="module")
def asked(hostile: Path) -> Iterator[httpx.Client]:
    with (
        served({"code": hostile}, bearers=Bearers(variable=f"anna {TOKEN}")) as url,
        httpx.Client(base_url=url) as client,
    ):
        yield client


def test_each_file_is_given_without_a_token_and_may_do_nothing_but_ask_its_server(asked: httpx.Client) -> None:
    for path, (data, kind) in FILES.items():
        answer = asked.get(path)
        assert (answer.status_code, answer.content) == (200, data)
        assert answer.headers["content-type"] == f"{kind}; charset=utf-8"
        policy = dict(one.split(" ", 1) for one in answer.headers["content-security-policy"].split("; "))
        assert policy["default-src"] == "'none'" and policy["require-trusted-types-for"] == "'script'"
        assert {policy[one] for one in ("script-src", "style-src", "connect-src")} == {"'self'"}
        assert (answer.headers["referrer-policy"], answer.headers["x-content-type-options"]) == (
            "no-referrer",
            "nosniff",
        )
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "path", ["/page/", "/page/none.js", "/page/..%2fguard.py", "/page/%2e%2e/guard.py", "/index.html"]
)
def test_no_other_file_is_given(asked: httpx.Client, path: str) -> None:
    assert asked.get(path).status_code == 401
    assert asked.get(path, headers={"authorization": f"Bearer {TOKEN}"}).status_code == 404


@pytest.mark.parametrize("path", ["/v1/facets", "/v1/state", "/v1/generations"])
def test_what_the_page_shows_is_asked_for_with_a_token(asked: httpx.Client, path: str) -> None:
    assert asked.get(path).status_code == 401


def test_the_page_holds_no_script_of_its_own_and_loads_nothing_from_elsewhere() -> None:
    tree = LexborHTMLParser(PAGE)
    assert [node.attributes.get("src") for node in tree.css("script")] == ["page/main.js"]
    assert not tree.css("style, [style], iframe, object, embed, base")
    for node in tree.css("*"):
        assert not [name for name in node.attributes if name.startswith("on")], node.html
        for name in ("src", "href"):
            address = node.attributes.get(name) or ""
            assert not re.match(r"[a-z]+://|//|/", address), address
            assert not re.match(r"(?!data:image/svg)[a-z]+:", address), address
    loaded = {node.attributes["href"] for node in tree.css("link[rel=stylesheet]")} | {"page/main.js"}
    assert all(f"/{one}" in FILES for one in loaded)
    assert "url(" not in FILES["/page/page.css"][0].decode() and "@import" not in FILES["/page/page.css"][0].decode()


def test_every_control_has_a_name_and_every_id_that_a_script_asks_for_is_there() -> None:
    tree = LexborHTMLParser(PAGE)
    for node in tree.css("input, select"):
        parent = node.parent
        assert node.attributes.get("aria-label") or (parent is not None and parent.tag == "label"), node.html
    there = {node.attributes["id"] for node in tree.css("[id]")}
    main = SCRIPTS["/page/main.js"]
    fields = re.search(r"const FIELDS = \[(.*?)\]", main)
    assert fields is not None
    wanted = {*re.findall(r'\bat\("([\w-]+)"\)', main), *re.findall(r'"([\w-]+)"', fields[1])}
    assert len(wanted) > 15 and wanted <= there


def test_no_script_makes_markup_code_or_an_address_of_text() -> None:
    markup = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment"
    unsafe = markup + r"|\beval\b|new Function"
    for name, text in SCRIPTS.items():
        assert not re.search(unsafe, text), name
        assert not re.search(r"localStorage|document\.cookie|indexedDB", text), name
        assert set(re.findall(r"\w+://[\w./]+", text)) <= {"http://www.w3.org/2000/svg"}, name
        for module in re.findall(r'from "\./([\w.]+)"', text):
            assert f"/page/{module}" in FILES, module
    assert re.search(unsafe, "a.innerHTML = b"), "the rule finds nothing"


def test_the_whole_page_is_small() -> None:
    assert sum(len(data) for data, _ in FILES.values()) < 64_000


@pytest.mark.skipif(shutil.which("node") is None, reason="no node: the scripts are not parsed here")
def test_every_script_parses() -> None:
    parse = "for (const text of JSON.parse(process.argv[1])) new (require('vm').SourceTextModule)(text)"

    def said(*texts: str) -> int:
        command = ["node", "--no-warnings", "--experimental-vm-modules", "-e", parse, json.dumps(texts)]
        return subprocess.run(command, capture_output=True, text=True, check=False).returncode

    assert said(*SCRIPTS.values()) == 0
    assert said("let a = ;") != 0, "the parser takes anything"


def test_facets_count_what_a_filter_would_find(hostile: Path, asked: httpx.Client) -> None:
    found = asked.get("/v1/facets", headers={"authorization": f"Bearer {TOKEN}"}).json()
    assert (found["index"], found["generation"]) == ("code", 2)
    assert found["sources"] == [{"source": "code", "chunks": 16, "files": 16, "kinds": {"function": 16}}]
    assert found["folders"] == [
        {"source": "code", "path": "pkg/", "chunks": 12},
        {"source": "code", "path": "pkg/deep/", "chunks": 12},
    ]
    with Searcher(hostile, device="cpu") as searcher:
        hits = searcher.search("zebra", 100, "exact", where={"path": {"prefix": "pkg/deep/"}})
        assert len(hits) == 12
        assert {hit.path for hit in searcher.search("zebra", 100, "exact")} >= set(PATHS)


def test_of_many_folders_the_largest_are_offered(tmp_path: Path) -> None:
    chunks = [make_chunk(f"d{i:03}/a.py", f"f{i}", f"text {i}") for i in range(MOST_FOLDERS + 20)]
    new_warehouse(
        tmp_path / "w", [*chunks, *(make_chunk("d219/a.py", f"g{i}", f"more {i}", line=2 + i) for i in range(3))]
    )
    with Searcher(tmp_path / "w", device="cpu") as searcher:
        folders = facets(searcher)["folders"]
    assert len(folders) == MOST_FOLDERS and folders[-1] == {"source": "code", "path": "d219/", "chunks": 4}


def test_the_state_tells_what_was_left_out_and_no_place_of_the_machine(hostile: Path, asked: httpx.Client) -> None:
    answer = asked.get("/v1/state", headers={"authorization": f"Bearer {TOKEN}"})
    state = answer.json()
    (refused,) = state["quarantine"]["files"]
    assert (state["quarantine"]["total"], state["quarantine"]["reasons"]) == (1, {"unparsable": 1})
    assert (refused["path"], refused["line"], refused["detail"]) == ("<script>bad</script>.md", 3, "")
    assert [entry["generation"] for entry in state["history"]] == [2, 1] and state["draft"] is None
    assert "/srv/secret" not in answer.text and str(hostile) not in answer.text and "who" not in state["history"][0]


def test_the_state_says_that_a_shard_was_read_again_and_that_a_draft_is_open(tmp_path: Path) -> None:
    chunks = [make_chunk(f"a{i}.py", f"f{i}", f"text {i}") for i in range(8)]
    warehouse = new_warehouse(tmp_path / "w", chunks)
    with served({"code": tmp_path / "w"}) as url:
        before = httpx.get(f"{url}/v1/state").json()
        write_shard(warehouse, "code", chunks[:7])
        snapshot, published = warehouse.snapshot("code"), warehouse.published
        assert snapshot is not None and published is not None
        draft = warehouse.draft(
            "another run",
            encoder=published.manifest.encoder.model_dump(),
            fingerprint=published.fingerprint,
            snapshots={"code": snapshot.data_version},
        )
        after = httpx.get(f"{url}/v1/state").json()
    assert [one["ahead"] for one in before["shards"]] == [False] and before["draft"] is None
    assert [one["ahead"] for one in after["shards"]] == [True]
    assert (after["draft"]["generation"], after["draft"]["passed"], after["draft"]["failed"]) == (draft.number, 0, [])


@pytest.mark.parametrize(
    ("details", "shown"),
    [
        ({"mean": 0.98, "curve": [[1, 1.0, 0.9], [10, 0.98]]}, {"mean": 0.98, "curve": [[1, 1.0], [10, 0.98]]}),
        ({"recall": 1}, {"mean": 1}),
        ({"mean": "<b>", "curve": [["<b>", 1]]}, {}),
        ({"mean": True, "curve": {"a": 1}}, {}),
    ],
)
def test_a_verdict_shows_figures_and_nothing_else_of_its_details(
    details: dict[str, object], shown: dict[str, object]
) -> None:
    record = CheckRecord(
        name="dense_recall",
        passed=True,
        value=0.97,
        threshold=0.95,
        subject=(),
        digest="0" * 64,
        at="",
        details=details,
    )
    assert _check(record) == {"name": "dense_recall", "passed": True, "value": 0.97, "threshold": 0.95, **shown}
