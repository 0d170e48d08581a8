"""An encoder that became another one under the same fingerprint is refused, a known one from its first build on."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from xtr_assets.core.errors import InvalidInput, PublishRefused, UnusableText
from xtr_assets.encoders import canary as module
from xtr_assets.encoders.base import Encoded
from xtr_assets.encoders.canary import DOCUMENTS, pinned_canary, sketch_canary
from xtr_assets.encoders.hashing import Hashing
from xtr_assets.pipeline.gate import encoder_canary
from xtr_assets.pipeline.gate.registry import checks_of, run_check
from xtr_assets.pipeline.gate.text_judge import judge_of
from xtr_assets.pipeline.gate.text_sample import sample_size
from xtr_assets.pipeline.plan.draft_session import DraftSession, end_session, session_of
from xtr_assets.storage.manifest import CANARY_KEY, CheckRecord
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import required
from xtr_assets_tests.pipeline.gate.rebuilt import (
    CONFIG,
    Fault,
    Faulty,
    Judged,
    drafted,
    look,
    look_at_canary,
    new_warehouse,
    sound,
    words,
)
from xtr_assets_tests.pipeline.gate.test_vectors_are_the_texts import (
    another_encoder,
    another_projection,
    doubled_scales,
    long_texts_cut,
    noise_in_embeddings,
    noise_in_tokens,
    one_direction,
    shuffled,
    two_tokens,
)

REQUIRED = required("encoder_canary", "vectors_are_the_texts")
CHANGED = [
    another_encoder,
    another_projection,
    doubled_scales,
    long_texts_cut,
    noise_in_embeddings,
    noise_in_tokens,
    one_direction,
    shuffled,
    two_tokens,
]


def own(fault: Fault = sound) -> Faulty:
    """An encoder for which the package ships no canary."""
    encoder = Faulty(fault, 24, 16)
    assert pinned_canary(encoder.fingerprint) is None
    return encoder


def gated(session: DraftSession) -> list[CheckRecord]:
    """Both checks as the registry runs them."""
    return [run_check(session, check) for check in checks_of(CONFIG) if check.requirement in REQUIRED]


def built(warehouse: Warehouse, texts: list[str], encoder: Faulty | None = None, *, force: str | None = None) -> int:
    """Both checks, then publish."""
    encoder = encoder or own()
    draft = drafted(warehouse, {"docs": texts}, encoder)
    look_at_canary(warehouse, draft, encoder)
    look(warehouse, draft, encoder)
    return warehouse.publish(draft.number, required=REQUIRED, force_reason=force).number


@pytest.mark.parametrize("fault", CHANGED, ids=lambda fault: fault.__name__)
def test_a_known_encoder_that_is_worse_is_refused_at_its_first_build(tmp_path: Path, fault: Fault) -> None:
    warehouse = new_warehouse(tmp_path)
    encoder = Faulty(fault)
    assert pinned_canary(encoder.fingerprint) is not None
    draft = drafted(warehouse, {"docs": words(40)}, encoder)
    found = look_at_canary(warehouse, draft, encoder)
    assert not found.passed and found.value is not None and found.value >= 1 and found.remedy
    # What was stored is what this encoder gives: nobody but the canary could tell.
    judged = look(warehouse, draft, encoder)
    assert not judged.passed and judged.details["canary"]


def test_a_known_encoder_passes_and_the_warehouse_keeps_nothing_of_it(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path)
    draft = drafted(warehouse, {"docs": words(4)}, Hashing())
    found = look_at_canary(warehouse, draft)
    assert found.passed and found.value == 0 and CANARY_KEY not in draft.manifest.notes


@pytest.mark.parametrize("fault", CHANGED, ids=lambda fault: fault.__name__)
def test_any_other_encoder_is_held_against_its_first_published_build(tmp_path: Path, fault: Fault) -> None:
    warehouse = new_warehouse(tmp_path)
    draft = drafted(warehouse, {"docs": words(40)}, own())
    first = look_at_canary(warehouse, draft, own())
    assert first.passed and first.value is None and "recorded now" in first.summary
    assert look(warehouse, draft, own()).passed
    warehouse.publish(draft.number, required=REQUIRED)

    worse = own(fault)
    draft = drafted(warehouse, {"docs": [*words(40), "one more"]}, worse)
    found = look_at_canary(warehouse, draft, worse)
    assert not found.passed and found.details["problems"]
    assert look_at_canary(warehouse, draft, own()).passed


def test_a_query_side_that_changed_alone_is_seen(tmp_path: Path) -> None:
    class Prefixed(Hashing):
        def encode_queries(self, texts):  # type: ignore[no-untyped-def]
            return super().encode_queries([f"query {text}" for text in texts])

    warehouse = new_warehouse(tmp_path)
    found = look_at_canary(warehouse, drafted(warehouse, {"docs": words(4)}, Hashing()), Prefixed())
    assert not found.passed and found.value == 3 and all(one.startswith("query ") for one in found.details["problems"])


@pytest.mark.parametrize("most", [8, 32, 200])
def test_queries_that_lose_their_end_are_seen_though_pinned_ones_are_short(tmp_path: Path, most: int) -> None:
    class Cut(Hashing):
        def encode_queries(self, texts):  # type: ignore[no-untyped-def]
            return super().encode_queries([" ".join(text.split()[:most]) for text in texts])

    warehouse = new_warehouse(tmp_path)
    found = look_at_canary(warehouse, drafted(warehouse, {"docs": words(4)}, Hashing()), Cut())
    assert not found.passed and "has the embedding of its first" in found.summary
    assert len(found.details["problems"]) == 2 and found.remedy


def test_a_draft_that_was_not_published_says_nothing_about_its_encoder(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path)
    bad = own(another_encoder)
    draft = drafted(warehouse, {"docs": words(4)}, bad)
    assert look_at_canary(warehouse, draft, bad).passed
    assert warehouse.canary(bad.fingerprint) is None
    # Other texts: those of the draft are encoded already, and stay as wrong as they were.
    assert built(warehouse, words(5, seed=1)) > draft.number
    assert warehouse.canary(bad.fingerprint) is not None


def test_what_somebody_forced_says_nothing_about_its_encoder(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path)
    bad, good = own(shuffled), own()
    draft = drafted(warehouse, {"docs": words(40)}, bad)
    assert look_at_canary(warehouse, draft, good).passed and not look(warehouse, draft, good).passed
    warehouse.publish(draft.number, required=REQUIRED, force_reason="a test")
    assert warehouse.canary(good.fingerprint) is None


def test_the_first_record_stays_and_a_warehouse_of_before_gets_one(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path)
    # A release that knew no canaries published this one.
    warehouse.publish(drafted(warehouse, {"docs": words(6)}, own()).number, force_reason="a test")
    fingerprint = own().fingerprint
    assert warehouse.canary(fingerprint) is None
    built(warehouse, words(7))
    kept = warehouse.canary(fingerprint)
    assert kept is not None and kept["documents"]
    number = built(warehouse, words(8))
    assert warehouse.canary(fingerprint) == kept
    assert CANARY_KEY not in warehouse.generation(number).manifest.notes
    assert Warehouse.open(warehouse.root).info.encoders[fingerprint].dim == 24


def test_an_export_takes_the_canary_along_and_an_import_keeps_what_is_known(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path)
    built(warehouse, words(6))
    fingerprint = own().fingerprint
    out = warehouse.export(1, tmp_path / "out")
    assert out.canary(fingerprint) == warehouse.canary(fingerprint) is not None
    target = Warehouse.create(tmp_path / "target")
    target.import_generation(out.root)
    assert target.canary(fingerprint) == warehouse.canary(fingerprint)

    path = out.layout.warehouse_json
    changed = json.loads(path.read_text())
    changed["encoders"][fingerprint][CANARY_KEY]["queries"][0] = "another"
    path.write_text(json.dumps({key: value for key, value in changed.items() if key != "check"}))
    target.import_generation(out.root)
    assert target.canary(fingerprint) == warehouse.canary(fingerprint)


def test_a_release_that_asks_about_other_texts_compares_those_of_the_record(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path)
    draft = drafted(warehouse, {"docs": words(6)}, own())
    assert look_at_canary(warehouse, draft, own()).passed and look(warehouse, draft, own()).passed
    old = sketch_canary(own(), ["one text of before"], ["one query of before"])
    draft.set_note(CANARY_KEY, old.as_json())
    warehouse.publish(draft.number, required=REQUIRED)
    draft = drafted(warehouse, {"docs": words(7)}, own())
    found = look_at_canary(warehouse, draft, own())
    assert found.passed and found.details["texts"] == 2
    assert look_at_canary(warehouse, draft, own(another_projection)).passed is False


@pytest.mark.parametrize(
    "spoil",
    [
        lambda canary: canary.pop("documents"),
        lambda canary: canary["documents"].append("one more"),
        lambda canary: canary["document_sketch"].update(embeddings="AAAA"),
        lambda canary: canary["document_sketch"]["token_ids"].pop(),
        lambda canary: canary["query_sketch"].update(tokens="no base64"),
        lambda canary: canary.update(query_sketch=None),
        lambda canary: canary.update(libraries=["torch"]),
    ],
)
def test_a_record_that_cannot_be_read_refuses_with_the_remedy(
    tmp_path: Path, spoil: Callable[[dict[str, object]], object]
) -> None:
    warehouse = new_warehouse(tmp_path)
    built(warehouse, words(6))
    path = warehouse.layout.warehouse_json
    info = json.loads(path.read_text())
    spoil(info["encoders"][own().fingerprint][CANARY_KEY])
    path.write_text(json.dumps({key: value for key, value in info.items() if key != "check"}))
    draft = drafted(warehouse, {"docs": words(7)}, own())
    with pytest.raises(InvalidInput, match=r"remove the key `canary` .* from warehouse\.json"):
        look_at_canary(warehouse, draft, own())


def test_a_difference_names_the_libraries_that_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warehouse = new_warehouse(tmp_path)
    monkeypatch.setattr(module, "library_versions", lambda: {"numpy": "1.0", "tokenizers": "0.1"})
    built(warehouse, words(6))
    monkeypatch.setattr(encoder_canary, "library_versions", lambda: {"numpy": "1.0", "tokenizers": "0.2"})
    draft = drafted(warehouse, {"docs": words(7)}, own())
    found = look_at_canary(warehouse, draft, own(two_tokens))
    assert not found.passed and "tokenizers 0.1 -> 0.2" in found.summary and "numpy" not in found.summary
    # Another version that gives the same vectors is no reason.
    assert look_at_canary(warehouse, draft, own()).passed


def test_a_draft_of_another_encoder_is_refused(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path)
    draft = drafted(warehouse, {"docs": words(3)}, Hashing())
    found = look_at_canary(warehouse, draft, own())
    assert not found.passed and draft.fingerprint[:8] in found.summary


def test_numbers_that_are_none_are_no_agreement(tmp_path: Path) -> None:
    encoder = own()
    canary = sketch_canary(encoder)
    spoilt = canary.document_sketch.tokens.copy()
    spoilt[4] = np.nan
    broken = dataclasses.replace(canary.document_sketch, tokens=spoilt)
    told = canary.document_sketch.differences(broken, canary.documents, encoder.tolerance)
    assert len(told) == 1 and "a token agrees to -inf" in told[0]


@pytest.mark.parametrize("side", ["encode_documents", "encode_queries"])
def test_a_pinned_text_without_a_vector_is_a_verdict(
    tmp_path: Path, side: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of weights that overflow in the precision of another host."""
    warehouse = new_warehouse(tmp_path)
    draft = drafted(warehouse, {"docs": words(4)}, Hashing())

    def refuse(*_: object) -> None:
        raise UnusableText(1, "the model gave NaN")

    spoilt = Hashing()
    monkeypatch.setattr(spoilt, side, refuse)
    found = look_at_canary(warehouse, draft, spoilt)
    assert not found.passed and "makes no vector: the model gave NaN" in found.summary and found.remedy


def test_the_gate_opens_an_encoder_of_its_own(tmp_path: Path) -> None:
    """As the registry runs the checks: an encoder of the process that went bad in memory is not asked to judge."""
    warehouse = new_warehouse(tmp_path)
    bad = Faulty(shuffled)
    draft = drafted(warehouse, {"docs": words(40)}, bad)
    session = DraftSession(warehouse, draft, CONFIG, encoder=lambda: bad)
    assert session.encoder is bad
    assert [(one.name, one.passed) for one in gated(session)] == [
        ("vectors_are_the_texts", False),
        ("encoder_canary", True),
    ]
    with pytest.raises(PublishRefused, match="vectors_are_the_texts"):
        warehouse.publish(draft.number, required=REQUIRED)


def test_both_checks_of_a_session_encode_the_canary_once_and_with_the_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An encoder opened anew for both, and one pass: a canary encoded apart says nothing of the pass that judges."""
    opened: list[Faulty] = []
    passes: list[int] = []

    def counted(encoded: Encoded, texts: Sequence[str]) -> Encoded:
        passes.append(len(texts))
        return encoded

    def fresh(*_: object) -> Faulty:
        opened.append(Faulty(counted))
        return opened[-1]

    monkeypatch.setattr("xtr_assets.pipeline.plan.draft_session.open_fresh", fresh)
    warehouse = new_warehouse(tmp_path)
    session = DraftSession(warehouse, drafted(warehouse, {"docs": words(40)}, Hashing()), CONFIG)
    assert all(one.passed for one in gated(session))
    # The five texts that are asked as queries are encoded by themselves.
    asked = [len(encoder_canary.ASKED)]
    assert len(opened) == 1 and passes == [sample_size(40) + len(DOCUMENTS), *asked]
    # The next step does without it: it holds 100 MB.
    with session_of(warehouse, session.draft, CONFIG) as step:
        assert encoder_canary.check(step).passed and len(opened) == 2
        step.fresh_encoder()
        assert len(opened) == 2
    with session_of(warehouse, session.draft, CONFIG) as again:
        again.fresh_encoder()
        assert again is step and len(opened) == 3
    end_session()
    # A step in a process of its own, where only the canary is asked about, asks by itself.
    alone = DraftSession(warehouse, session.draft, CONFIG)
    assert encoder_canary.check(alone).passed
    assert len(opened) == 4 and passes[2:] == [len(DOCUMENTS), *asked] * 2


@pytest.mark.parametrize("fault", CHANGED, ids=lambda fault: fault.__name__)
def test_a_shared_judge_that_went_bad_is_told_by_both_checks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    monkeypatch.setattr("xtr_assets.pipeline.plan.draft_session.open_fresh", lambda *_: Faulty(fault))
    warehouse = new_warehouse(tmp_path)
    session = DraftSession(warehouse, drafted(warehouse, {"docs": words(40)}, Faulty(fault)), CONFIG)
    assert [(one.name, one.passed) for one in gated(session)] == [
        ("vectors_are_the_texts", False),
        ("encoder_canary", False),
    ]


def test_a_canary_that_the_warehouse_learnt_meanwhile_is_asked_by_the_same_session(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path)
    session = Judged(warehouse, drafted(warehouse, {"docs": words(40)}, own()), own())
    assert judge_of(session).canaries == ()
    built(warehouse, words(41))
    assert len(judge_of(session).canaries) == 1
