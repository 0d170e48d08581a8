"""What an export loses besides text: values of fields, the order of its columns, and letters that can be read."""

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.gate.nothing_vanished import accept, check
from xtr_assets_tests.pipeline.gate.conftest import World

Record = dict[str, Any]
Change = Callable[[list[Record]], list[Record]]
COUNT = 60
FIELDS = ("lang", "year", "team", "tags", "price", "day", "rank", "stock")


def text(seed: object, words: int = 14) -> str:
    """Words that no other seed gives."""
    return " ".join(hashlib.sha256(f"{seed} {n}".encode()).hexdigest()[:7] for n in range(words))


def record(n: int) -> Record:
    return {
        "_id": f"p{n}",
        "title": f"Paper {text(-n, 2)}",
        "text": text(n),
        "lang": ("en", "de", "fr")[n % 3],
        "year": 1990 + n % 25,
        "team": f"team {chr(97 + n % 7)}",
        "tags": [f"tag {n % 4}", "all"],
        "day": f"2026-01-{1 + n % 28:02}",
        "rank": str(n),
        "stock": "in" if n % 2 else "out",
        **({"price": n + 0.5} if n % 3 == 0 else {}),
    }


def put(world: World, records: list[Record]) -> None:
    world.write("papers/all.jsonl", "".join(json.dumps(one) + "\n" for one in records))


@pytest.fixture
def kept(world: World) -> World:
    """Sixty records with fields of all types serve."""
    sources = [
        one.model_copy(update={"metadata": FIELDS}) if one.name == "papers" else one for one in world.config.sources
    ]
    world.config_with(sources=tuple(sources))
    for name in ("a", "b"):
        (world.folder / f"papers/{name}.jsonl").unlink()
    put(world, [record(n) for n in range(COUNT)])
    world.publish()
    return world


def after(world: World, change: Change) -> Finding:
    put(world, change([record(n) for n in range(COUNT)]))
    return check(world.build())


def each(**values: Callable[[Record], object]) -> Change:
    return lambda records: [one | {name: value(one) for name, value in values.items()} for one in records]


def from_next(*names: str) -> Change:
    return lambda records: [
        one | {name: records[(n + 1) % len(records)][name] for name in names} for n, one in enumerate(records)
    ]


LOST: dict[str, tuple[Change, str]] = {
    "a field went": (
        lambda records: [{name: value for name, value in one.items() if name != "lang"} for one in records],
        "60 of 60 records had a text in `lang` and have none now",
    ),
    "a field is null": (each(tags=lambda one: None), "60 of 60 records had a list in `tags` and have none now"),
    "a number is a text": (each(year=lambda one: str(one["year"])), "60 of 60 records had a number in `year`"),
    "a field is empty": (each(lang=lambda one: ""), "60 of 60 records had a text in `lang` and have none now"),
    "titles went": (each(title=lambda one: ""), "60 of 60 records had a text in `title` and have none now"),
    "a quarter lost its field": (
        lambda records: [one | {"team": None} if n % 4 == 0 else one for n, one in enumerate(records)],
        "15 of 60 records had a text in `team` and have none now",
    ),
    "a constant": (each(lang=lambda one: "en"), '`lang` of 40 of 60 records that stayed became the same, "en"'),
    "titles of one page": (
        each(title=lambda one: "Untitled"),
        "`title` of 60 of 60 records that stayed became the same",
    ),
    "a field of the next row": (from_next("team"), "records that stayed became that of another one"),
    "titles of the next row": (
        from_next("title"),
        "`title` of 60 of 60 records that stayed became that of another one",
    ),
    "texts of the next row": (
        from_next("text"),
        "60 of 60 records say what another one said, under a title or fields of their own",
    ),
    "base64": (
        each(text=lambda one: base64.b64encode(one["text"].encode()).decode()),
        "100 % of the texts that came have no blanks between their words",
    ),
    "blanks went": (each(text=lambda one: one["text"].replace(" ", "")), "have no blanks between their words"),
    "escaped": (
        each(text=lambda one: one["text"].replace(" ", "&nbsp;")),
        "100 % of the texts that came are escaped, as for HTML or JSON",
    ),
    "letters of no table": (
        each(text=lambda one: " ".join(f"sch?n gr??er {word}" for word in one["text"].split())),
        "100 % of the texts that came have question marks for letters",
    ),
    "in JSON": (
        each(text=lambda one: json.dumps({"type": "doc", "text": one["text"]})),
        "100 % of the texts that came are in HTML or JSON still",
    ),
    "in HTML": (
        each(text=lambda one: f'<div class="body text">\n<p id="{one["_id"]}" class="first">{one["text"]}</p>\n</div>'),
        "100 % of the texts that came are in HTML or JSON still",
    ),
    "a third in JSON, beside as many that came": (
        lambda records: (
            [one | {"text": json.dumps({"text": one["text"]})} if n % 3 == 0 else one for n, one in enumerate(records)]
            + [record(n) for n in range(100, 180)]
        ),
        "of the texts that came are in HTML or JSON still",
    ),
    "a banner before each": (
        each(text=lambda one: f"{text('banner', 90)} {one['text']}"),
        "is what others say too",
    ),
}


@pytest.mark.parametrize("fault", LOST)
def test_what_an_export_lost_waits_for_a_person(kept: World, fault: str) -> None:
    change, words = LOST[fault]
    found = after(kept, change)
    assert not found.passed and words in found.summary, found.summary
    assert accept(kept.warehouse, kept.config, ["papers"], "it is meant") == ["papers"]
    assert check(kept.build()).passed


HEALTHY: dict[str, Change] = {
    "a sale ended": lambda records: [{name: one[name] for name in one if name != "price"} for one in records],
    "a day of export": each(day=lambda one: "2026-02-01"),
    "whole numbers with a point": each(year=lambda one: float(one["year"])),
    "ranks moved": lambda records: [one | {"rank": records[(7 * n) % COUNT]["rank"]} for n, one in enumerate(records)],
    "stock moved": from_next("stock"),
    "a team was renamed": each(team=lambda one: one["team"].replace("team", "group")),
    "another team for some": lambda records: [
        one | {"team": "team a"} if n < 11 else one for n, one in enumerate(records)
    ],
    "one value for most, another for the rest": each(lang=lambda one: "en" if one["_id"] != "p1" else "it"),
    "a field more": each(fresh=lambda one: "yes"),
    "other tags": each(tags=lambda one: [*one["tags"], "reviewed"]),
    "translated titles": each(title=lambda one: f"Papier {one['title'][6:]}"),
    "edited texts": each(text=lambda one: f"{one['text']} Is it so? Yes; see a/b?c=d &amp; more"),
    "what is deleted took its fields along": lambda records: [
        one for one in records if one["lang"] != "fr" or one["year"] < 2010
    ],
    "a team for most, the rest keep theirs": lambda records: [
        one if n % 3 == 0 else one | {"team": "everybody"} for n, one in enumerate(records)
    ],
    "a duty goes to the next": each(team=lambda one: f"team {chr(97 + (ord(one['team'][-1]) - 96) % 7)}"),
    "a text is the first of a list": each(team=lambda one: [one["team"], "all"]),
    "some edited, others of JSON put in": lambda records: [
        *(one | {"text": f"{one['text']} edited"} if n % 3 == 0 else one for n, one in enumerate(records)),
        *(record(n) | {"text": json.dumps({"text": text(n)})} for n in range(100, 180)),
    ],
    "a row number as id": lambda records: [
        one | {"_id": f"p{n}"} for n, one in enumerate([record(900), *records][:COUNT])
    ],
}


@pytest.mark.parametrize("change", HEALTHY.values(), ids=list(HEALTHY))
def test_what_people_do_to_fields_is_no_loss(kept: World, change: Change) -> None:
    found = after(kept, change)
    assert found.passed, found.summary


def numbered(records: list[Record]) -> list[Record]:
    """By the numbers of their rows."""
    return [one | {"_id": str(n)} for n, one in enumerate(records)]


def pages(records: list[Record]) -> list[Record]:
    return [{"_id": f"page {n}", "title": f"Page {n}", "text": one["text"], "rank": n} for n, one in enumerate(records)]


def shuffled(records: list[Record]) -> list[Record]:
    return [records[(7 * n) % len(records)] for n in range(len(records))]


# What serves, and what becomes of it.
ON_THE_WAY: dict[str, tuple[Change, Change]] = {
    "another milestone": (each(team=lambda one: f"v1.{one['year'] % 5}"), each(team=lambda one: "v2.0")),
    "an empty text is null": (
        each(lang=lambda one: "" if one["lang"] == "en" else one["lang"]),
        each(lang=lambda one: one["lang"] or None),
    ),
    "an empty list is null": (
        each(tags=lambda one: [] if one["lang"] == "en" else one["tags"]),
        each(tags=lambda one: one["tags"] or None),
    ),
    "not known is null": (
        each(lang=lambda one: "N/A" if one["lang"] == "en" else one["lang"]),
        each(lang=lambda one: None if one["lang"] == "N/A" else one["lang"]),
    ),
    "a row put in, by row number, and a field that half of them have": (
        lambda records: numbered(each(price=lambda one: 0.5 if one["stock"] == "in" else None)(records)),
        lambda records: numbered([record(900), *records]),
    ),
    "a log in another order, by row number": (
        lambda records: numbered(each(text=lambda one: text(one["year"] % 6), title=lambda one: "")(records)),
        lambda records: numbered(shuffled(records)),
    ),
    "states of hosts": (
        each(text=lambda one: f"It is {('up', 'down', 'unknown')[int(one['rank']) % 3]}."),
        each(text=lambda one: f"It is {('down', 'unknown', 'up')[int(one['rank']) % 3]}."),
    ),
    "a page put in": (pages, lambda records: pages([record(900), *records])),
    "a chapter put in": (
        each(title=lambda one: f"Chapter {one['rank']}"),
        each(title=lambda one: f"Chapter {int(one['rank']) + 1}"),
    ),
}


@pytest.mark.parametrize("change", ON_THE_WAY.values(), ids=list(ON_THE_WAY))
def test_what_people_make_of_their_fields_is_no_loss(kept: World, change: tuple[Change, Change]) -> None:
    first, then = change
    put(kept, first([record(n) for n in range(COUNT)]))
    kept.publish()
    found = after(kept, lambda records: then(first(records)))
    assert found.passed, found.summary


@pytest.mark.parametrize(
    "spoil",
    [
        lambda one: one.encode().decode("cp1252"),
        lambda one: one.replace("\u00fc", "?"),
        lambda one: one.replace("&", "&amp;"),
    ],
)
@pytest.mark.parametrize("field", ["title", "lang", "tags"])
def test_letters_that_fields_lost_are_missed_and_mended_ones_are_not(
    kept: World, field: str, spoil: Callable[[str], str]
) -> None:
    def written(one: Record, name: Callable[[str], str]) -> object:
        said = name(f"M\u00fcller & {one['team']}")
        return [said, "all"] if field == "tags" else said

    well, spoilt = (
        [one | {field: written(one, name)} if n % 3 == 0 else one for n, one in enumerate(map(record, range(COUNT)))]
        for name in (str, spoil)
    )
    put(kept, spoilt)
    kept.publish()
    put(kept, well)
    found = check(kept.build())
    assert found.passed, found.summary
    kept.publish()
    put(kept, spoilt)
    found = check(kept.build())
    assert not found.passed
    assert f"`{field}` of 20 of 60 records that stayed lost its letters, as in" in found.summary


@pytest.mark.parametrize("column", ["title", "text"])
def test_numbered_titles_tell_columns_apart_that_were_sorted(kept: World, column: str) -> None:
    served = [{"_id": f"i{n}", "title": f"Invoice {n}", "text": text(n)} for n in range(COUNT)]
    put(kept, served)
    kept.publish()
    put(kept, [one | {column: other[column]} for one, other in zip(served, shuffled(served), strict=True)])
    found = check(kept.build())
    assert not found.passed, found.summary


def test_versions_and_states_of_most_may_change_together(kept: World) -> None:
    put(kept, each(lang=lambda one: "v1" if one["_id"] != "p7" else "v0")([record(n) for n in range(COUNT)]))
    kept.publish()
    found = after(kept, each(lang=lambda one: "v2"))
    assert found.passed, found.summary
