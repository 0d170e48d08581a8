"""Known items, by hand: words that a document carries, ranks, chance, and the sign test."""

from math import comb

from xtr_assets.core.known_items import asked_words, carried_words, score_items, surely_lost

RED, BLUE = frozenset(["red"]), frozenset(["blue"])


def test_whatever_is_quoted_from_a_text_is_carried_by_it() -> None:
    for text in (
        "検索システムには品質の門が要る。毎回の変更は新しい世代を作る。",
        "ระบบค้นหาต้องมีการตรวจสอบคุณภาพก่อนที่จะเผยแพร่",
        "نظام البحث يحتاج إلى فحص الجودة قبل النشر",
        "Return `x.parse_date()`, twice - 3.5 😀😂🎉 times",
    ):
        words = carried_words(text)
        for start in range(0, len(text) - 6, 3):
            quoted = text[start : start + 6]
            inner = (
                quoted if any(one > "\u0e00" for one in quoted) and " " not in quoted else " ".join(text.split()[:3])
            )
            assert asked_words(inner) <= words, inner


def test_case_and_punctuation_do_not_matter_and_words_do() -> None:
    assert asked_words("Parse (a) DATE.") == {"parse", "a", "date"}
    assert not asked_words("...!!! ---")
    assert not asked_words("parse dates") <= carried_words("parse a date")
    assert not asked_words("索検") <= carried_words("検索"), "the order of characters counts"


def test_ranks_and_chance() -> None:
    scored = score_items([RED, BLUE, BLUE], [[BLUE, RED], [RED], [RED, BLUE]], 1, 5)
    assert scored.ranks == (2, 0, 2)
    assert scored.chance == (1.0, 0.5, 0.5)
    assert score_items([RED], [[RED]], 1, 5).chance == (0.0,)
    assert score_items([], [], 1, 5).ranks == ()


def test_the_sign_test() -> None:
    before = {f"q{i}": True for i in range(100)}
    for lost, gained in ((9, 0), (10, 0), (20, 8), (30, 8)):
        now = before | {f"q{i}": False for i in range(lost)} | {f"g{i}": True for i in range(gained)}
        then = before | {f"g{i}": False for i in range(gained)}
        n = lost + gained
        tail = sum(comb(n, i) for i in range(lost, n + 1)) / 2**n
        apart = {query: query for query in now}
        assert surely_lost(then, now, apart) == (lost, gained, tail < 0.001)
    documents = {query: query for query in before}
    assert surely_lost({}, before, documents) == (0, 0, False)
    assert surely_lost(before, {"q1": False}, documents) == (1, 0, False), "only queries that both have"


def test_what_is_lost_is_a_document_however_many_queries_name_it() -> None:
    before = {f"q{i}": True for i in range(24)}
    now = dict.fromkeys(before, False)
    assert surely_lost(before, now, {query: int(query[1:]) // 12 for query in before}) == (2, 0, False)
    half = now | {f"q{i}": True for i in range(6)}
    then = {f"q{i}": i >= 6 for i in range(12)}
    assert surely_lost(then, half, dict.fromkeys(before, "one")) == (0, 0, False), "as many found as before"
