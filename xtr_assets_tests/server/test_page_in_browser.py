"""The page in a headless Chromium: hostile texts, the keyboard, what words met, links, tokens, accessibility."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from xtr_assets.server.bearers import Bearers
from xtr_assets_tests.fixtures import make_chunk, new_warehouse, publish_chunks
from xtr_assets_tests.server.hostile import ASTRAL, PATHS
from xtr_assets_tests.server.site import served, version

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: no browser is driven here")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
if CHROMIUM is None:
    pytest.skip("no Chromium on this machine: the page is not looked at here", allow_module_level=True)

TOKEN = "a" * 32
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def page_url(hostile: Path) -> Iterator[str]:
    with served({"code": hostile}) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    with playwright.sync_playwright() as driver:
        # As root, in a container, Chromium has no sandbox to make.
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


class Seen:
    """A tab, and what went wrong in it."""

    def __init__(self, page: "Page") -> None:
        self.page = page
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("dialog", lambda dialog: self.faults.append(dialog.message))
        page.on("console", lambda message: self.faults.append(message.text) if message.type == "error" else None)

    def texts(self, selector: str) -> list[str]:
        return self.page.locator(selector).all_inner_texts()

    def wait(self, selector: str, count: int) -> None:
        playwright.expect(self.page.locator(selector)).to_have_count(count)


@pytest.fixture
def seen(browser: "Browser") -> Iterator[Seen]:
    context = browser.new_context(viewport=DESK)  # type: ignore[arg-type]
    tab = Seen(context.new_page())
    yield tab
    context.close()
    assert tab.faults == []


def test_hostile_texts_are_shown_and_nothing_else(page_url: str, seen: Seen) -> None:
    page = seen.page
    page.goto(f"{page_url}/?q=zebra+turned+megabyte&k=20&mode=xtr")
    page.wait_for_selector(".hit")
    whole = page.inner_text("#results")
    assert "<script>window.pwned = 1</script> <img src=x onerror='window.pwned = 2'>" in whole and PATHS[0] in whole
    assert page.evaluate("window.pwned") is None
    assert page.locator("#results").locator("script, img, i, u").count() == 0
    # The name that is turned around for the eye is shown as it is written.
    assert "turned⟨U+202E⟩yp.exe.py" in whole and "\u202e" not in whole and "⟨U+0000⟩" in whole
    # A line of a megabyte neither widens the page nor is drawn whole.
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert len(whole) < 40_000
    page.get_by_text("Show the first 100,000 of 1,000,009 characters").click()
    assert 100_000 < len(page.inner_text("#results")) < 150_000
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_word_shows_what_it_met_as_the_explanation_says(page_url: str, seen: Seen) -> None:
    asked = {"query": "zebra stripes", "k": 10, "explain": True}
    hits = httpx.post(f"{page_url}/v1/search", json=asked).json()["hits"]
    (at,) = [place for place, hit in enumerate(hits) if hit["path"] == "astral.md"]
    hit = hits[at]
    page = seen.page
    page.goto(f"{page_url}/?q=zebra+stripes")
    page.wait_for_selector(".hit")
    card = page.locator(".hit").nth(at)
    for place, match in enumerate(hit["explanation"]["tokens"]):
        page.locator(".words button").nth(place).focus()
        met = card.locator("mark.strong").all_inner_texts()
        # Characters beyond 16 bits stand before it: places are counted in characters, JavaScript counts otherwise.
        assert met == [ASTRAL[match["start"] : match["end"]]] == [match["query_token"]]
        assert f"“{match['query_token']}” met “{match['token']}”: {match['similarity']:.2f}" in card.inner_text()
    page.locator("#query").focus()
    assert card.locator("mark.strong").count() == 0
    for name, space in hit["explanation"]["spaces"].items():
        gave = f"{space['z'] * space['weight']:+.2f}".replace("-", "\N{MINUS SIGN}")
        assert f"{name} {space['score']:.3f} gave {gave}, rank {space['rank']} of " in card.inner_text()


def test_what_hides_in_a_text_is_shown_and_what_chooses_a_form_is_not(tmp_path: Path, seen: Seen) -> None:
    """And of many short lines those are shown first that a word met, of a list that is cut its end is told."""
    flag = "\U0001f3f4" + "".join(chr(0xE0000 + ord(one)) for one in "gbeng") + "\U000e007f"
    own = f"zebra {flag} \u2764\ufe0f 1\ufe0f\u20e3 \u8fbb\U000e0100 "
    hidden = "a\U000e0049\U000e0067b \u2764\ufe0f\ufe01 in\u00adner \u3164. " + "\U0001f3f4\U000e0041."
    lines = "\n".join([f"line {nth}" for nth in range(60)] + ["a quagga"])
    new_warehouse(
        tmp_path / "w", [make_chunk("a.md", "a", own + hidden), make_chunk("b.md", "b", lines + "\nquagga" * 150)]
    )
    page = seen.page
    with served({"docs": tmp_path / "w"}) as url:
        page.goto(f"{url}/?q=zebra&mode=lexical")
        page.wait_for_selector(".hit")
        shown = page.locator(".text").first.text_content() or ""
        page.goto(f"{url}/?q=quagga&mode=lexical")
        page.wait_for_selector("mark")
        page.locator(".words button").focus()
        assert "stands 100 times or more in the text" in page.inner_text(".met")
    assert shown.startswith(own)
    assert shown[len(own) :].rstrip() == (
        "a⟨U+E0049⟩⟨U+E0067⟩b \u2764\ufe0f⟨U+FE01⟩ in⟨U+00AD⟩ner ⟨U+3164⟩. \U0001f3f4⟨U+E0041⟩."
    )


def test_the_keyboard_alone_asks_walks_and_opens(page_url: str, seen: Seen) -> None:
    page = seen.page
    page.goto(page_url)
    page.wait_for_selector("#said:has-text('chunks to search')")
    page.keyboard.press("/")
    page.keyboard.type("stripes 3 /")
    page.keyboard.press("Enter")
    page.wait_for_selector(".hit")
    assert page.input_value("#query") == "stripes 3 /"
    focused = "document.activeElement.textContent"
    for place in (0, 1, 2):
        page.keyboard.press("ArrowDown")
        assert page.evaluate(focused) == page.locator(".place").nth(place).text_content()
    page.keyboard.press("ArrowUp")
    assert page.evaluate(focused) == page.locator(".place").nth(1).text_content()
    page.keyboard.press("Enter")
    page.wait_for_selector(".around:has-text('Nothing stands before it.')")
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"
    page.keyboard.press("Enter")
    assert page.locator(".around").count() == 0
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "query"
    composing = "new KeyboardEvent('keydown', {key: 'ArrowDown', isComposing: true, bubbles: true})"
    page.evaluate(f"document.activeElement.dispatchEvent({composing})")
    assert page.evaluate("document.activeElement.id") == "query"


def test_a_corrected_question_says_so_and_can_be_asked_as_it_was_typed(page_url: str, seen: Seen) -> None:
    page = seen.page
    page.goto(f"{page_url}/?q=zebrra&mode=lexical")
    page.wait_for_selector(".hit")
    assert "Asked for zebra, as no text holds what was typed. Ask for that." in page.inner_text("#said")
    page.click("#said a")
    playwright.expect(page.locator("#said")).to_have_text("Nothing was found.")
    assert httpx.URL(page.url).params["syntax"] == "plain"
    page.fill("#query", "zebbra")
    page.keyboard.press("Enter")
    page.wait_for_selector(".hit")
    assert "syntax" not in httpx.URL(page.url).params and "Asked for zebra" in page.inner_text("#said")


def test_equal_texts_stand_once_and_say_where_else(tmp_path: Path, seen: Seen) -> None:
    copies = [make_chunk(f"<i>v{i}</i>.py", "f", "zebra", source="old" if i else "new", line=4) for i in range(24)]
    pair = [make_chunk(f"pair{i}.py", "f", "zebra pair") for i in range(2)]
    new_warehouse(tmp_path / "w", [*copies, *pair])
    page = seen.page
    with served({"docs": tmp_path / "w"}) as url:
        page.goto(f"{url}/?q=zebra&mode=lexical")
        seen.wait(".hit", 2)
        assert page.locator("#results i").count() == 0
        page.click(".also summary")
        told = page.locator(".also").inner_text()
        assert told.startswith("also in ") and " and 22 more\n" in told and told.endswith("and 3 more")
        assert page.locator(".also li").count() == 20 and "<i>v1</i>.py:4" in told
        assert seen.texts("p.facts:has-text('also in')") in ([f"also in pair{i}.py:1"] for i in (0, 1))
        page.select_option("#collapse", "none")
        seen.wait(".hit", 10)
        assert httpx.URL(page.url).params["collapse"] == "none" and "also in" not in page.inner_text("#results")


def test_a_link_shows_the_same_and_going_back_goes_back(page_url: str, seen: Seen) -> None:
    page = seen.page
    page.goto(f"{page_url}/?q=zebra&mode=lexical")
    page.wait_for_selector(".hit")
    page.select_option("#source", "code")
    page.fill("#path", "pkg/")
    page.keyboard.press("Enter")
    seen.wait(".hit", 10)
    page.select_option("#k", "20")
    seen.wait(".hit", 12)
    link = page.url
    assert httpx.URL(link).params.multi_items() == [
        ("q", "zebra"),
        ("mode", "lexical"),
        ("source", "code"),
        ("path", "pkg/"),
        ("k", "20"),
    ]
    shown = seen.texts(".place")
    assert all(place.startswith("pkg/deep/") for place in shown)
    page.goto("about:blank")
    page.goto(link)
    seen.wait(".hit", 12)
    assert seen.texts(".place") == shown and page.input_value("#path") == "pkg/"
    for _ in ("the empty page", "the page with 20 hits", "the one with 10"):
        page.go_back()
    seen.wait(".hit", 10)
    assert page.input_value("#k") == "10"


def test_a_link_leads_no_request_elsewhere(page_url: str, seen: Seen) -> None:
    sent: list[str] = []
    seen.page.on("request", lambda request: sent.append(f"{request.method} {httpx.URL(request.url).path}"))
    seen.page.goto(f"{page_url}/?q=zebra&other=../../../admin/remove%3F")
    seen.page.wait_for_selector(".hit")
    assert {one for one in sent if not one.startswith("GET")} == {"POST /v1/search"}


def test_a_question_that_overtakes_the_first_look_leaves_the_choices_whole(tmp_path: Path, seen: Seen) -> None:
    """And they follow the server to its next generation."""
    warehouse = new_warehouse(tmp_path / "w", version(1))
    publish_chunks(warehouse, version(2))
    page = seen.page
    held: list[Route] = []

    def once(route: "Route") -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    with served({"docs": tmp_path / "w"}) as url:
        page.route("**/v1/generations", once)
        with page.expect_request("**/v1/generations"):
            page.goto(url)
        page.fill("#query", "zebra")
        page.keyboard.press("Enter")
        page.wait_for_selector(".hit")
        assert page.locator("#other option").all_inner_texts() == ["none", "1"]
        publish_chunks(warehouse, version(3))
        playwright.expect(page.locator("#serving")).to_have_text("docs, generation 2")
        for _ in range(100):
            page.locator("#search button").click()
            page.wait_for_timeout(50)
            if "generation 3" in page.inner_text("#serving"):
                break
        assert page.locator("#other option").all_inner_texts() == ["none", "2", "1"]


def test_going_back_asks_what_the_field_then_says(hostile: Path, seen: Seen) -> None:
    page = seen.page
    with served({"code": hostile, "more": hostile}) as url:
        page.goto(url)
        page.wait_for_selector("#said:has-text('chunks to search')")
        for question in ("zebra", "turned"):
            page.fill("#query", question)
            page.keyboard.press("Enter")
            page.wait_for_selector(f"#said:has-text('hit'):not(:has-text('{question}'))")
        page.go_back()
        playwright.expect(page.locator("#query")).to_have_value("zebra")
        page.go_back()
        # Of several indexes the first address named none.
        page.wait_for_selector("#said:not(.problem):has-text('chunks to search')")
        assert page.input_value("#index") == "code"


def test_two_modes_stand_side_by_side(page_url: str, seen: Seen) -> None:
    page = seen.page
    page.goto(f"{page_url}/?q=stripes+zebra&mode=lexical&beside=xtr&k=5")
    page.wait_for_selector(".list + .list .hit")
    assert seen.texts(".list h2") == ["lexical", "xtr"]
    lists = [page.locator(".list").nth(at) for at in (0, 1)]
    boxes = [one.bounding_box() for one in lists]
    assert boxes[0] is not None and boxes[1] is not None
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"] and boxes[0]["y"] == boxes[1]["y"]
    places = [one.locator(".place").all_inner_texts() for one in lists]
    told = lists[0].locator(".facts").all_inner_texts()
    for place, said in zip(places[0], told, strict=True):
        other = f"rank {places[1].index(place) + 1} beside" if place in places[1] else "not beside"
        assert other in said


def test_a_token_is_asked_for_and_stays_in_its_tab(browser: "Browser", hostile: Path) -> None:
    # Two indexes by their names: with a token one of them is chosen.
    with served({"code": hostile, "more": hostile}, bearers=Bearers(variable=f"anna {TOKEN}")) as closed:
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"{closed}/?q=zebra")
        page.wait_for_selector("#token-form:not([hidden])")
        assert page.locator(".hit").count() == 0
        page.fill("#token", "b" * 32)
        page.keyboard.press("Enter")
        page.wait_for_selector("#token-problem:has-text('not valid')")
        # Copied with what nobody sees: no header carries it.
        page.fill("#token", f"\u200b{TOKEN}")
        page.keyboard.press("Enter")
        playwright.expect(page.locator("#token")).to_have_value("")
        assert "not valid" in page.inner_text("#token-problem")
        page.fill("#token", TOKEN)
        page.keyboard.press("Enter")
        page.wait_for_selector(".hit")
        assert TOKEN not in page.url and TOKEN not in page.content()
        page.reload()
        page.wait_for_selector(".hit")
        kept = "[Object.values(sessionStorage), Object.values(localStorage), document.cookie]"
        assert page.evaluate(kept) == [[TOKEN], [], ""]
        page.select_option("#index", "more")
        page.wait_for_selector("#serving:has-text('more, generation 2')")
        page.wait_for_selector(".hit")
        assert httpx.URL(page.url).params["index"] == "more"
        other = context.new_page()
        other.goto(closed)
        other.wait_for_selector("#token-form:not([hidden])")
        context.close()


def test_the_state_of_the_index_is_shown_with_its_curves(page_url: str, seen: Seen) -> None:
    page = seen.page
    told = httpx.get(f"{page_url}/v1/generations").json()
    for one in told["generations"]:
        recall = 0.9 + one["generation"] / 100
        curve = [[1, 1.0], [10, recall]]
        one["checks"] = [
            {"name": "dense_recall", "passed": True, "value": 0.9, "mean": recall, "threshold": 0.95, "curve": curve},
            {"name": "known_item", "passed": one["generation"] != 1, "value": 0.8, "threshold": 0.5},
        ]
    page.route("**/v1/generations", lambda route: route.fulfill(json=told))
    page.goto(f"{page_url}/?view=index")
    page.wait_for_selector("figure")
    charts = page.locator("svg[role=img]")
    assert [one.get_attribute("aria-label") for one in charts.all()] == [
        "Recall and known items found, by generation; at the end dense_recall 0.920, known_item 0.800",
        "Recall over k in generation 2; at the end dense_recall 0.920",
    ]
    heights = [float(str(one.get_attribute("cy"))) for one in charts.first.locator("circle").all()]
    assert heights[0] > heights[1] and heights[2] == heights[3]
    text = page.inner_text("#index-view")
    assert "<script>bad</script>.md:3" in text and "1 file or record cannot be used: unparsable 1." in text
    assert "failed: known_item" in text and "Nothing is being built." in text
    assert seen.texts("td .good") == ["published forced: these tests have no gate"]


def test_a_server_that_is_gone_or_busy_is_told_in_words(page_url: str, seen: Seen) -> None:
    page = seen.page
    page.goto(f"{page_url}/?q=zebra")
    page.wait_for_selector(".hit")
    page.route("**/v1/search", lambda route: route.fulfill(status=503, json={"error": {"message": "<b>wait</b>"}}))
    page.locator("#search button").click()
    page.wait_for_selector("#said.problem:has-text('<b>wait</b>')")
    page.route("**/v1/search", lambda route: route.abort())
    page.locator("#search button").click()
    page.wait_for_selector("#said.problem:has-text('No answer')")
    assert page.locator(".hit").count() == 0
    # What the browser itself writes of a request that failed.
    assert all("Failed to load resource" in fault for fault in seen.faults)
    seen.faults.clear()


def test_axe_finds_nothing_in_both_views_in_light_and_dark(browser: "Browser", page_url: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed here").Axe()
    # A colour that is on its way from light to dark is neither.
    context = browser.new_context(viewport=DESK, reduced_motion="reduce")  # type: ignore[arg-type]
    page = context.new_page()
    # What the colours alone decide is asked again in the dark, on a phone.
    again: dict[str, Any] = {"runOnly": ["color-contrast", "scrollable-region-focusable", "target-size"]}
    for path, ready in (("?q=zebra+stripes&beside=lexical&k=5&path=pkg", ".hit"), ("?view=index", ".scroll")):
        page.set_viewport_size(DESK)  # type: ignore[arg-type]
        page.emulate_media(color_scheme="light")
        page.goto(f"{page_url}/{path}")
        page.wait_for_selector(ready)
        if ready == ".hit":
            page.locator(".words button").first.click()
        light = axe.run(page).response
        page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        page.emulate_media(color_scheme="dark")
        dark = axe.run(page, options=again).response
        assert [
            (one["id"], one["nodes"][0]["html"], one["nodes"][0]["failureSummary"])
            for found in (light, dark)
            for one in found["violations"]
        ] == []
        assert len(light["passes"]) > 15 and "color-contrast" in {one["id"] for one in dark["passes"]}
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()


def test_two_generations_stand_side_by_side(tmp_path: Path, seen: Seen) -> None:
    warehouse = new_warehouse(tmp_path / "w", version(1))
    publish_chunks(warehouse, version(2))
    page = seen.page
    with served({"docs": tmp_path / "w"}) as url:
        page.goto(f"{url}/?q=zebra+version&mode=dense&k=5")
        seen.wait(".list", 1)
        assert page.locator("#other option").all_inner_texts() == ["none", "1"]
        page.select_option("#other", "1")
        seen.wait(".list", 2)
        assert seen.texts(".list h2") == ["dense, generation 2", "dense, generation 1"]
        first, second = (page.locator(".list").nth(place).inner_text() for place in (0, 1))
        assert "zebra version 2" in first and "zebra version 1" in second and "zebra version 2" not in second
        assert "other=1" in page.url and "rank" in first
        page.reload()
        seen.wait(".list", 2)


def test_joiners_of_scripts_and_pictures_are_shown_as_what_they_join(tmp_path: Path, seen: Seen) -> None:
    """And each leg, one that this page does not know too, has a bar that is seen; a word as long as a page is cut."""

    def more_legs(route: "Route") -> None:
        answer = route.fetch().json()
        for hit in answer["hits"]:
            hit["explanation"]["spaces"] |= dict.fromkeys(("called", "later"), hit["explanation"]["spaces"]["dense"])
        route.fulfill(json=answer)

    told = (
        "zebra \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \U0001f468\U0001f3fb\u200d\U0001f469 a\u200db \u200c."
    )
    new_warehouse(tmp_path / "w", [make_chunk("zebra.py", "zebra", told), make_chunk("b.py", "b", "horse")])
    page = seen.page
    with served({"docs": tmp_path / "w"}) as url:
        page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        page.route("**/v1/search", more_legs)
        page.goto(f"{url}/?q=zebra+{'x' * 900}")
        page.wait_for_selector(".hit")
        shown = page.locator(".hit", has_text="zebra.py").locator(".text").inner_text()
        joined = told.replace("a\u200db \u200c.", "a\u27e8U+200D\u27e9b \u27e8U+200C\u27e9.")
        assert shown.strip() == joined
        legs = page.locator(".hit", has_text="zebra.py").locator(".legs li")
        inks = legs.locator("rect").evaluate_all("all => all.map(one => getComputedStyle(one).stroke)")
        assert len(set(inks)) == len(inks) == legs.count() > 3 and not {"none", "rgb(0, 0, 0)"} & set(inks)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.locator(".words button").last.bounding_box()["height"] < 50  # type: ignore[index]
