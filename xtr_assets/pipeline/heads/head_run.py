"""From packages or sources to a head and its card, in one go: mine, split, freeze, train by seed, measure, choose."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryFile
from time import process_time

from xtr_assets.config import EncoderConfig, EncoderPair, MiniLmConfig, SourceConfig
from xtr_assets.core.errors import ConfigError
from xtr_assets.core.files import write_atomic
from xtr_assets.core.owned_folder import TRAINED, owned_folder
from xtr_assets.core.training_pairs import Pair, asked
from xtr_assets.core.types import Ints, Mask
from xtr_assets.encoders.frozen_states import FrozenStates, StateReader
from xtr_assets.encoders.head import Head, TrainedHead
from xtr_assets.encoders.head_file import (
    CARD_FILE,
    CARD_TEXT,
    HEAD_FILE,
    head_bytes,
    open_head,
    parse_head,
    refuse_other_width,
    sha256_of,
    shipped_name,
)
from xtr_assets.encoders.head_trainer import (
    TrainingRecipe,
    WordScores,
    begins_by_chance,
    mean_head,
    steps_of,
    train_head,
)
from xtr_assets.encoders.precision import torch_precision
from xtr_assets.encoders.weights import locate_minilm
from xtr_assets.pipeline.heads.head_card import MEAN, RULE, HeadCard, Overlap, origins_json, verdict_of
from xtr_assets.pipeline.heads.head_measure import Comparison, JudgedSet, compare_heads
from xtr_assets.pipeline.heads.judged_set import JudgedTexts, names_of, read_beir, reference_texts, word_scores
from xtr_assets.pipeline.heads.leg_sum import SUMMED
from xtr_assets.pipeline.heads.pair_sources import Mined, mine_package, mine_sources
from xtr_assets.pipeline.heads.pair_split import Split, owners_of, split_pairs
from xtr_assets.pipeline.heads.pair_words import PairWords
from xtr_assets.telemetry.progress import bar

# Tokens of a question and of an answer that training sees, two special ones included: the time of a run is that of
# encoding them, and more pairs teach more than longer ones. Judged texts are read as far as a first window goes.
QUESTION_TOKENS, ANSWER_TOKENS, JUDGED_TOKENS = 40, 66, 256
# Held-out questions that judge, among so many answers.
JUDGING, AMONG = 400, 1500
# Before the names of the card of a head that was refused, beside the head that stays.
REFUSED = "refused."


@dataclass(frozen=True, slots=True)
class HeadPlan:
    """What to train a head from. `judged` are BEIR folders that it is measured on; they and `apart`, folders of code or
    text, are what no pair may be a near copy of."""

    sources: tuple[SourceConfig, ...] = ()
    packages: tuple[Path, ...] = ()
    judged: tuple[Path, ...] = ()
    apart: tuple[Path, ...] = ()
    pairs: int = 30_000
    seeds: tuple[int, ...] = (0,)
    recipe: TrainingRecipe = field(default_factory=TrainingRecipe)
    encoder: EncoderConfig = field(default_factory=MiniLmConfig)
    device: str = "cpu"
    any_licence: bool = False
    max_judged: int = 400

    @property
    def minilm(self) -> MiniLmConfig:
        """The encoder whose token states the head is for. ConfigError for another one."""
        part = self.encoder.tokens if isinstance(self.encoder, EncoderPair) else self.encoder
        if not isinstance(part, MiniLmConfig):
            kind = None if part is None else part.kind
            raise ConfigError(f"`encoder.kind` is {kind!r}; a head is trained for 'minilm', so name that")
        return part


@dataclass(frozen=True, slots=True)
class Made:
    """A head's file, its card, and whether it may take the place of the one there is."""

    data: bytes
    card: HeadCard
    accepted: bool

    def write(self, folder: Path) -> None:
        """The head and its card, as JSON and to be read. ConfigError for a head that is worse than the one there is;
        where the folder holds a head, which keeps its own card, `refused.` stands before the names of this one's."""
        folder.mkdir(parents=True, exist_ok=True)
        before = "" if self.accepted or not (folder / HEAD_FILE).exists() else REFUSED
        write_atomic(folder / f"{before}{CARD_FILE}", self.card.to_bytes())
        write_atomic(folder / f"{before}{CARD_TEXT}", self.card.markdown().encode())
        if not self.accepted:
            told = folder / f"{before}{CARD_TEXT}"
            raise ConfigError(f"{self.card.verdict} Its card is {told}, it was not written; give it more pairs")
        write_atomic(folder / HEAD_FILE, self.data)
        for name in (CARD_FILE, CARD_TEXT):
            (folder / f"{REFUSED}{name}").unlink(missing_ok=True)


def refuse_unwritable(folder: Path) -> None:
    """ConfigError where a head cannot be written to a folder, or that not be made: asked before minutes go into one."""
    place = folder.absolute()
    try:
        with TemporaryFile(dir=next(one for one in (place, *place.parents) if one.exists())):
            pass
    except OSError as error:
        raise ConfigError(f"no head can be written to {folder} ({error.strerror}); name another folder") from error


def make_head(plan: HeadPlan) -> Made:
    """Train and judge a head, with progress bars. Raises ConfigError where there is too little to train on."""
    minilm = plan.minilm
    began = process_time()
    named = zip(names_of(plan.judged), plan.judged, strict=True)
    judged = [replace(read_beir(folder, plan.max_judged), name=name) for name, folder in named]
    mined = _mined(plan)
    split = split_pairs(mined.pairs, reference_texts(plan.judged, plan.apart), plan.pairs, AMONG)
    _refuse_blind(plan, split.overlap)
    _refuse_few(plan, len(split.train))
    with owned_folder(TRAINED) as folder:
        frozen = _Frozen(plan, folder)
        questions, answers = frozen.pairs(split.train)
        owners = owners_of(split.train)
        met = PairWords.of(frozen.asked(split.train), [pair.answer for pair in split.train]).scores
        sets = [*frozen.held(split), *(frozen.judged(one) for one in judged)]
        heads = {
            str(seed): _train(frozen, questions, answers, owners, met, replace(plan.recipe, seed=seed))
            for seed in plan.seeds
        }
        if len(heads) > 1 and not begins_by_chance(frozen.now, frozen.reader.shape.hidden, plan.recipe):
            heads[MEAN] = head_bytes(mean_head([_opened(frozen, data) for data in heads.values()]))
        found = {name: _measured(frozen, sets, data, name) for name, data in heads.items()}
    # Of equal ones the first.
    best = max(heads, key=lambda name: _mean(found[name]))
    accepted, verdict = verdict_of(found[best])
    card = HeadCard(
        sha256=sha256_of(heads[best]),
        model=locate_minilm(minilm.weights).weights_sha256,
        dim=plan.recipe.dim,
        size=len(heads[best]),
        made_by=f"xtr-assets {version('xtr-assets')} train-head",
        recipe={
            **asdict(plan.recipe),
            "punctuation": minilm.keep_punctuation,
            "answer_tokens": ANSWER_TOKENS,
            "start": shipped_name(frozen.now.sha256) or frozen.now.sha256,
        },
        pairs=dict(Counter[str](pair.kind for pair in split.train)),
        held_out=split.held_out,
        origins=origins_json(mined.origins),
        overlap=asdict(split.overlap),
        seeds=plan.seeds,
        chosen=best,
        rule=RULE,
        sets={name: [one.as_json() for one in comparisons] for name, comparisons in found.items()},
        verdict=verdict,
        cpu_seconds=round(process_time() - began, 1),
    )
    return Made(heads[best], card, accepted)


def _refuse_blind(plan: HeadPlan, overlap: Overlap) -> None:
    """ConfigError where the check for near copies does not see copies that were planted: it would pass anything."""
    if (plan.judged or plan.apart) and not overlap.works:
        raise ConfigError(
            f"the check for near copies found {overlap.planted_found} of {overlap.planted} copies that were planted in "
            "it; give judged sets and folders to keep apart whose texts are words"
        )


def _refuse_few(plan: HeadPlan, count: int) -> None:
    """ConfigError where there are too few pairs to train on, before anything is encoded."""
    if count < (least := 2 * plan.recipe.batch):
        raise ConfigError(
            f"{count} pairs are left to train on, two batches of {plan.recipe.batch} are the least; name more packages "
            f"or sources with docstrings or headings, and let `pairs` be {least} or more"
        )


def _mined(plan: HeadPlan) -> Mined:
    found = [mine_sources(plan.sources)] if plan.sources else []
    with bar(len(plan.packages), "mining pairs") as step:
        for path in plan.packages:
            found.append(mine_package(path, plan.any_licence))
            step()
    origins = tuple(origin for one in found for origin in one.origins)
    return Mined(origins, tuple(pair for one in found for pair in one.pairs))


def _train(
    frozen: "_Frozen",
    questions: FrozenStates,
    answers: FrozenStates,
    owners: Ints,
    met: WordScores,
    recipe: TrainingRecipe,
) -> bytes:
    with bar(steps_of(len(questions), recipe), f"training, seed {recipe.seed}") as step:
        words, kept = frozen.reader.words, frozen.kept
        head = train_head(
            questions, answers, owners, words, kept, recipe, met, frozen.now, progress=lambda _loss: step()
        )
        return head_bytes(head)


def _opened(frozen: "_Frozen", data: bytes) -> TrainedHead:
    head = parse_head(data, frozen.reader.shape.layers, "the trained head")
    assert isinstance(head, TrainedHead)
    return head


def _measured(frozen: "_Frozen", sets: Sequence[JudgedSet], data: bytes, name: str) -> list[Comparison]:
    head = _opened(frozen, data)
    found = []
    with bar(len(sets), f"measuring, seed {name}") as step:
        for one in sets:
            found.append(compare_heads(one, frozen.reader.words, frozen.kept, {"now": frozen.now, "trained": head}))
            step()
    return found


def _mean(comparisons: Sequence[Comparison]) -> float:
    return sum(one.mean(f"trained{SUMMED}").mean for one in comparisons) / len(comparisons)


class _Frozen:
    """The states that a run needs, in files of a folder that goes when it ends."""

    def __init__(self, plan: HeadPlan, folder: Path) -> None:
        self.folder = folder
        precision = torch_precision(plan.minilm.precision)
        self.reader = StateReader(locate_minilm(plan.minilm.weights), plan.device, precision)
        self.kept: Mask = self.reader.kept(plan.minilm.keep_punctuation)
        self.now: Head = open_head(plan.minilm.head, self.reader.shape.layers)
        refuse_other_width(self.now, self.reader.shape.hidden)

    def pairs(self, pairs: Sequence[Pair]) -> tuple[FrozenStates, FrozenStates]:
        questions = self._read("questions", self.asked(pairs), QUESTION_TOKENS)
        return questions, self._read("answers", [pair.answer for pair in pairs], ANSWER_TOKENS)

    def asked(self, pairs: Sequence[Pair]) -> Sequence[str]:
        return asked(pairs, seed=0)

    def held(self, split: Split) -> Iterator[JudgedSet]:
        for name, pairs in (("held-out code", split.code), ("held-out prose", split.prose)):
            if pairs:
                texts = JudgedTexts(
                    name,
                    [pair.question for pair in pairs[:JUDGING]],
                    [pair.answer for pair in pairs],
                    [{nth: 1.0} for nth in range(len(pairs[:JUDGING]))],
                )
                yield self.judged(texts)

    def judged(self, texts: JudgedTexts) -> JudgedSet:
        questions = self._read(f"{texts.name}, questions", texts.questions, JUDGED_TOKENS)
        answers = self._read(f"{texts.name}, texts", texts.answers, JUDGED_TOKENS)
        return JudgedSet(texts.name, questions, answers, texts.right, word_scores(texts, self.folder))

    def _read(self, what: str, texts: Sequence[str], tokens: int) -> FrozenStates:
        file = self.folder / f"{len(list(self.folder.iterdir()))}.npy"
        with bar(len(texts), f"encoding {what}") as step:
            return self.reader.read(texts, file, tokens, step)
