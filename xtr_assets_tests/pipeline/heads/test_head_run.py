"""From a folder to a head and its card, with a model of two layers and thirty words."""

import json
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from xtr_assets.config import MiniLmConfig
from xtr_assets.core.errors import ConfigError, InvalidInput
from xtr_assets.encoders.head_file import CARD_FILE, CARD_TEXT, HEAD_FILE, open_head
from xtr_assets.encoders.head_trainer import TrainingRecipe
from xtr_assets.pipeline.heads import head_run
from xtr_assets.pipeline.heads.head_card import MEAN, HeadCard, verdict_of
from xtr_assets.pipeline.heads.head_measure import Comparison
from xtr_assets.pipeline.heads.head_run import REFUSED, HeadPlan, Made, make_head
from xtr_assets.pipeline.heads.judged_set import read_beir, reference_texts, word_scores
from xtr_assets.pipeline.heads.leg_sum import SUMMED
from xtr_assets_tests.head_project import head_project


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeadPlan]:
    folder = tmp_path_factory.mktemp("run")
    with head_project(folder):
        (folder / "apart").mkdir()
        (folder / "apart" / "notes.md").write_text(
            "A page of its own, of which nothing that is mined here is a copy.\n"
        )
        yield HeadPlan(
            packages=(folder / "code",),
            judged=(folder / "judged",),
            apart=(folder / "apart",),
            seeds=(0, 1),
            recipe=TrainingRecipe(dim=8, batch=8, epochs=2),
            encoder=MiniLmConfig(head=folder / HEAD_FILE, precision="fp32"),
        )


@pytest.fixture(scope="module")
def made(plan: HeadPlan) -> Made:
    return make_head(plan)


def test_a_run_gives_a_head_that_opens_and_a_card_that_says_everything(
    plan: HeadPlan, made: Made, tmp_path: Path
) -> None:
    replace(made, accepted=True).write(tmp_path)
    assert {one.name for one in tmp_path.iterdir()} == {HEAD_FILE, CARD_FILE, CARD_TEXT}
    head = open_head(tmp_path, 2)
    assert head.layers == (-1, 1, 2, -2) and head.token_dim == 8
    card = HeadCard.from_bytes((tmp_path / CARD_FILE).read_bytes())
    assert card.document() == json.loads(made.card.to_bytes())
    assert card.sha256 == head.sha256 and card.size == (tmp_path / HEAD_FILE).stat().st_size
    assert set(card.sets) == {"0", "1", MEAN} and card.chosen in card.sets
    assert [one["set"] for one in card.sets["0"]] == ["held-out code", "judged"]
    assert set(card.pairs) == {"docstring", "name"} and sum(card.pairs.values()) > 100
    assert card.overlap["planted_found"] == card.overlap["planted"] == 20
    assert card.overlap["references"] == {"judged": 60, "apart": 1}
    assert card.recipe["start"] == open_head(plan.minilm.head, 2).sha256
    assert [origin["name"] for origin in card.origins] == ["code"]
    told = card.markdown()
    for part in (card.sha256, card.verdict, "held-out code", "(chosen)", "planted_found: 20", *card.limits):
        assert part in told, part


def test_the_card_lacks_no_part_and_takes_no_other(made: Made) -> None:
    document = json.loads(made.card.to_bytes())
    for name in {one.name for one in fields(HeadCard)} - {"limits"}:
        with pytest.raises(InvalidInput, match=name):
            HeadCard.from_bytes(json.dumps({key: value for key, value in document.items() if key != name}).encode())
    with pytest.raises(InvalidInput, match="no card"):
        HeadCard.from_bytes(json.dumps({**document, "more": 1}).encode())


def test_the_same_plan_gives_the_same_head(plan: HeadPlan, made: Made) -> None:
    assert make_head(plan).data == made.data


def test_the_best_seed_is_the_one_that_finds_most(made: Made) -> None:
    means = {
        seed: np.mean([one["ndcg@10"]["trained, in the sum"]["mean"] for one in sets])
        for seed, sets in made.card.sets.items()
    }
    assert str(made.card.chosen) == max(means, key=lambda seed: means[seed])


def comparison(now: float, trained: float) -> Comparison:
    rng = np.random.default_rng(0)
    noise = 0.05 * rng.standard_normal(200)
    ranked = {"dense": noise + 0.5, f"now{SUMMED}": noise + now, f"trained{SUMMED}": noise[::-1] + trained}
    # Alone it may be worse: where it serves it is in the sum.
    return Comparison("a set", {**ranked, "now": noise + 0.9, "trained": noise + 0.1})


def test_a_head_that_is_surely_worse_on_one_set_is_refused() -> None:
    better, worse, alike = comparison(0.4, 0.6), comparison(0.5, 0.45), comparison(0.5, 0.499)
    assert verdict_of([better, alike])[0]
    accepted, told = verdict_of([better, worse, alike])
    assert not accepted and "surely worse" in told and "a set: -0.0" in told


def test_what_is_refused_is_not_written_but_its_card_is(made: Made, tmp_path: Path) -> None:
    refused = replace(made, accepted=False)
    with pytest.raises(ConfigError, match="was not written; give it more pairs"):
        refused.write(tmp_path)
    assert {one.name for one in tmp_path.iterdir()} == {CARD_FILE, CARD_TEXT}


def test_a_head_that_stays_keeps_its_card(made: Made, tmp_path: Path) -> None:
    """The folder of the head that serves is where the next one is trained to."""
    replace(made, accepted=True).write(tmp_path)
    before = {one.name: one.read_bytes() for one in tmp_path.iterdir()}
    other = replace(made, data=b"worse", card=replace(made.card, sha256="0" * 64), accepted=False)
    with pytest.raises(ConfigError, match=rf"Its card is .*{REFUSED}{CARD_TEXT}, it was not written"):
        other.write(tmp_path)
    found = {one.name: one.read_bytes() for one in tmp_path.iterdir()}
    assert before.items() < found.items()
    assert HeadCard.from_bytes(found[REFUSED + CARD_FILE]).sha256 == "0" * 64
    replace(made, accepted=True).write(tmp_path)
    assert {one.name for one in tmp_path.iterdir()} == set(before)


def test_too_few_pairs_are_refused_before_anything_is_encoded(plan: HeadPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_run, "StateReader", None)
    with pytest.raises(ConfigError, match=r"9 pairs are left to train on, two batches of 8 .*`pairs` be 16 or more"):
        make_head(replace(plan, pairs=9))


def test_two_judged_sets_of_one_name_are_two(tmp_path: Path) -> None:
    """And a question of which no right answer is in the corpus is left out, as are empty lines."""
    folders = []
    for nth in range(2):
        folder = tmp_path / str(nth) / "test"
        folder.mkdir(parents=True)
        (folder / "corpus.jsonl").write_text(f'{{"_id": "a", "text": "words {nth}"}}\n\n{{"_id": "b", "text": "c"}}\n')
        (folder / "queries.jsonl").write_text('{"_id": "p", "text": "what"}\n{"_id": "q", "text": "who"}\n')
        (folder / "qrels.tsv").write_text("p\ta\t1\nq\tb\t0\nq\tgone\t1\n")
        folders.append(folder)
    (folders[0] / "notes.md").write_text("Notes.")
    assert reference_texts(folders, [folders[0]]) == {
        "test": ["words 0", "c", "what", "who"],
        "test (2)": ["words 1", "c", "what", "who"],
        "test (3)": ["Notes."],
    }
    with pytest.raises(ConfigError, match="holds no file that is read"):
        reference_texts(folders, [folders[1]])
    judged = read_beir(folders[1], 10)
    assert judged.questions == ["what"] and [*judged.right[0].values()] == [1.0]
    for nth in range(2):
        assert word_scores(replace(judged, name="a/b"), tmp_path).shape == (1, 2), nth
    (folders[0] / "corpus.jsonl").write_bytes(b'{"_id": "a", "text": "caf\xe9"}\n')
    with pytest.raises(ConfigError, match=r"corpus.jsonl line 1"):
        read_beir(folders[0], 10)


def test_what_is_judged_must_be_a_judged_set(plan: HeadPlan, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no file at .*corpus.jsonl"):
        make_head(replace(plan, judged=(tmp_path,)))
    (tmp_path / "corpus.jsonl").write_text('{"_id": "a"}\n')
    with pytest.raises(ConfigError, match=r"corpus.jsonl line 1: .*text"):
        make_head(replace(plan, judged=(tmp_path,)))
    with pytest.raises(ConfigError, match=r"kept apart is .*nowhere"):
        make_head(replace(plan, apart=(tmp_path / "nowhere",)))
    (tmp_path / "signs.md").write_text("!? ... --\n")
    with pytest.raises(ConfigError, match="found 0 of 1 copies that were planted"):
        make_head(replace(plan, judged=(), apart=(tmp_path,)))
