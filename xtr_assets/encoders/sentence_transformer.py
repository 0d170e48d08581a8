"""Pooled models of sentence-transformers: pooling, prompts, normalization and lengths as the model says."""

import hashlib
import json
import threading
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from xtr_assets.config import SentenceTransformersConfig
from xtr_assets.config.encoder_kinds import DENSE
from xtr_assets.core.errors import ConfigError, ProviderError
from xtr_assets.core.types import Floats, Int32s
from xtr_assets.encoders.base import Encoded, EncodedQueries, Progress, Tolerance
from xtr_assets.encoders.batches import batches
from xtr_assets.encoders.encoder_record import CODE_VERSIONS
from xtr_assets.encoders.model_place import digests_of, locate_model, read_files, refuse_adapters, refuse_pickles
from xtr_assets.encoders.text_windows import TextWindows, cut_texts, dense_documents, dense_queries, pooled, whole_texts

CODE_VERSION = CODE_VERSIONS["sentence-transformers"]
OWN_MODULES = "sentence_transformers."
MODULES = "modules.json"
# Of a module that has modules of its own, each in a folder.
ROUTES = "router_config.json"
CODE_FILES = ("*.py",)
INSTALL = 'pip install "xtr-assets[models]"'
# Padded tokens of one batch, and what a batch costs beside them: as measured for minilm (forward_pass.py).
BUDGET, OVERHEAD = {"cpu": 4096, "cuda": 65536}, {"cpu": 64, "cuda": 1024}
# Under which names models keep their prompts, as sentence-transformers looks for them.
PROMPT_NAMES = {"query": ("query",), "document": ("document", "passage", "corpus")}


def open_sentence_transformer(config: SentenceTransformersConfig, device: str) -> "SentenceTransformerEncoder":
    """Locate, check and load a model. Raises ProviderError and ConfigError."""
    also = CODE_FILES if config.remote_code == "own" else ()
    return SentenceTransformerEncoder(locate_model(config, also, (MODULES,)), config, device)


class SentenceTransformerEncoder:
    """A model of sentence-transformers by that package, dense alone.

    A text longer than the model takes is encoded in windows, each with its prompt: its embedding is the mean of theirs,
    by their lengths.
    """

    def __init__(self, folder: Path, config: SentenceTransformersConfig, device: str = "cpu") -> None:
        """Refuses what the configuration does not trust before anything of it is loaded."""
        check_modules(folder, config)
        self._config = config
        self._digests = digests_of(
            folder, read_files(folder, pickles=config.trust_pickle, code=config.remote_code is not None)
        )
        self._model, self.device, self.precision = load_model(folder, config, device)
        self.legs, self.token_dim = DENSE, 0
        self.tolerance = Tolerance()
        full = self._model.get_embedding_dimension()
        if full is None:
            full = int(self._model.encode(["dimension"], show_progress_bar=False).shape[1])
        if config.dim is not None and config.dim > full:
            raise ConfigError(f"`encoder.dim` is {config.dim}, {config.model} gives {full}; give {full} or less")
        self.dim = config.dim or int(full)
        self.max_tokens = self._limit()
        self.prompts = {task: self._prompt(task, names) for task, names in PROMPT_NAMES.items()}
        self._room = {task: self._check_prompt(task) for task in self.prompts}
        self._working = threading.Lock()
        self.name = Path(config.model).name
        self.fingerprint = hashlib.sha256(json.dumps(self._identity(), sort_keys=True).encode()).hexdigest()

    def _limit(self) -> int | None:
        """Tokens of a window, special ones included; None where the model has no limit."""
        own, asked = self._model.max_seq_length, self._config.max_tokens
        if (own, asked) != (None, None) and not callable(self._model.tokenizer):
            raise ConfigError(
                f"{self._config.model} begins with {type(self._model[0]).__name__}, whose tokenizer counts no tokens "
                "of a text; a StaticEmbedding is `kind: static`, and other tables of words are not read"
            )
        if asked is None or own is None:
            return own if asked is None else asked
        if asked > own:
            raise ConfigError(f"`encoder.max_tokens` is {asked}, {self._config.model} takes {own}; give {own} or less")
        self._model.max_seq_length = asked
        return int(asked)

    def _prompt(self, task: str, names: Sequence[str]) -> str:
        said = getattr(self._config.prompts, task)
        if said is not None:
            return str(said)
        held = self._model.prompts or {}
        default = self._model.default_prompt_name
        # An empty one counts: it keeps the default away.
        return str(next((held[name] for name in (*names, default) if name in held), ""))

    def _check_prompt(self, task: str) -> int:
        """Tokens of a text that go beside the prompt."""
        if self.max_tokens is None:
            return 1 << 62
        taken = self._counts([""], task)[0]
        if self.max_tokens - taken < 8:
            raise ConfigError(
                f"the prompt for a {task} and special tokens take {taken} of the {self.max_tokens} tokens of a window; "
                f"shorten `encoder.prompts.{task}`, or raise `encoder.max_tokens`"
            )
        return self.max_tokens

    def _identity(self) -> dict[str, Any]:
        """What decides the vectors."""
        return {
            "kind": self._config.kind,
            "code": CODE_VERSION,
            "files": self._digests,
            "query": self.prompts["query"],
            "document": self.prompts["document"],
            "dim": self.dim,
            "max_tokens": self.max_tokens,
        }

    def describe(self) -> dict[str, Any]:
        """Name, kind, settings, digests, fingerprint, and the precision and device that serve; JSON-able."""
        settings = self._config.model_dump(mode="json", exclude={"precision"})
        return {
            "name": self.name,
            **settings,
            "code": CODE_VERSION,
            "fingerprint": self.fingerprint,
            "files": self._digests,
            "prompts": self.prompts,
            "dim": self.dim,
            "token_dim": 0,
            "max_tokens": self.max_tokens,
            "precision": self.precision,
            "device": self.device,
        }

    def encode_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Encoded:
        """Encode whole texts. Raises UnusableText where the model gives NaN, infinity or a zero vector."""
        vectors, windows = self._encode(texts, "document", progress)
        return dense_documents(vectors, windows.cut)

    def encode_queries(self, texts: Sequence[str]) -> EncodedQueries:
        """Encode queries, in float32."""
        return dense_queries(self._encode(texts, "query", None)[0])

    def surface(self, token_ids: Sequence[int] | Int32s) -> list[str]:  # noqa: ARG002 (it gives no token ids)
        """Nothing: it gives no tokens."""
        return []

    def _encode(self, texts: Sequence[str], task: str, progress: Progress | None) -> tuple[Floats, TextWindows]:
        # One at a time: the tokenizer and torch's settings are shared, and torch uses all cores by itself.
        with self._working:
            windows = cut_texts(whole_texts(texts), lambda pieces: self._counts(pieces, task), self._room[task])
            vectors = np.empty((len(windows.pieces), self.dim), np.float32)
            waiting = np.bincount(windows.owner, minlength=len(texts))
            kind = self.device.partition(":")[0]
            for batch in batches(windows.lengths, BUDGET.get(kind, 4096), OVERHEAD.get(kind, 64)):
                vectors[batch] = self._forward([windows.pieces[j] for j in batch], task)
                np.subtract.at(waiting, windows.owner[batch], 1)
                if progress and (finished := int((waiting[np.unique(windows.owner[batch])] == 0).sum())):
                    progress(finished)
        return pooled(vectors, windows, len(texts)), windows

    def _forward(self, pieces: list[str], task: str) -> Floats:
        with autocast(self.device, self.precision):
            made = self._model.encode(
                pieces,
                prompt=self.prompts[task],
                task=task,
                batch_size=len(pieces),
                show_progress_bar=False,
                convert_to_numpy=True,
                normalize_embeddings=False,
                truncate_dim=self.dim,
            )
        vectors: Floats = np.asarray(made, np.float32)
        return vectors

    def _counts(self, pieces: Sequence[str], task: str) -> list[int]:
        """Tokens of each piece with its prompt and special tokens; characters where the model has no limit."""
        if self.max_tokens is None or not pieces:
            return [max(1, len(piece)) for piece in pieces]
        texts = [self.prompts[task] + piece for piece in pieces]
        found = self._model.tokenizer(texts, truncation=False, padding=False, verbose=False)
        return [len(ids) for ids in found["input_ids"]]


def autocast(device: str, precision: str) -> AbstractContextManager[Any]:
    """Matrix products in bf16, where that is the precision."""
    if precision != "bf16":
        return nullcontext()
    import torch

    return torch.autocast(device.partition(":")[0], dtype=torch.bfloat16)


def check_modules(folder: Path, config: SentenceTransformersConfig) -> None:
    """Refuse a folder that is no such model, or that needs what the configuration does not trust."""
    if not (folder / MODULES).is_file():
        raise ProviderError(
            f"{folder} has no {MODULES}, so that its pooling is unknown; give a model of sentence-transformers "
            "(save it by that package), or `kind: late-interaction` for a ColBERT"
        )
    try:
        modules = json.loads((folder / MODULES).read_text("utf-8"))
        strange = sorted({str(one["type"]) for one in modules if not str(one["type"]).startswith(OWN_MODULES)})
        places = [folder / str(one["path"]) for one in modules]
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise ProviderError(f"{folder / MODULES} cannot be read ({error!s:.200}); copy the model again") from error
    outside = [place for place in places if not place.resolve().is_relative_to(folder.resolve())]
    if outside:
        raise ProviderError(f"{folder / MODULES} names {outside[0]}, which lies outside of the model; copy it again")
    configs = [place / "config.json" for place in places if (place / "config.json").is_file()]
    refuse_code(config, {*strange, *(name for path in configs for name in mapped_code(path))})
    routed = (place.iterdir() for place in places if (place / ROUTES).is_file())
    refuse_adapters([*places, *chain.from_iterable(routed)])
    refuse_pickles(folder, trusted=config.trust_pickle)


def mapped_code(path: Path) -> list[str]:
    """Classes that a config.json maps to code beside it, or with a repository and `--` before, in that."""
    try:
        held = json.loads(path.read_text("utf-8")).get("auto_map", {})
    except (ValueError, AttributeError) as error:
        raise ProviderError(f"{path} cannot be read ({error!s:.200}); copy the model again") from error
    return [str(name) for name in (held.values() if isinstance(held, dict) else [held])]


def refuse_code(config: SentenceTransformersConfig, classes: Iterable[str]) -> None:
    """ConfigError where classes need code that the configuration does not name."""
    for name in sorted(classes):
        repository = name.partition("--")[0] if "--" in name else "own"
        if (config.remote_code or "").partition("@")[0] != repository:
            wanted = "own" if repository == "own" else f"{repository}@COMMIT"
            raise ConfigError(
                f"{config.model} needs code that it brings ({name}), `encoder.remote_code` is {config.remote_code!r}; "
                f"where you read that code and trust it, set `remote_code: {wanted}`"
            )


def load_model(folder: Path, config: SentenceTransformersConfig, device: str) -> tuple[Any, str, str]:
    """The model, its device and precision."""
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise ProviderError(f"the kind sentence-transformers needs the package of that name; `{INSTALL}`") from error
    from xtr_assets.encoders.precision import choose_device, choose_precision

    chosen = choose_device(device)
    code: dict[str, Any] = {}
    if config.remote_code not in (None, "own"):
        code = {"code_revision": str(config.remote_code).partition("@")[2]}
    try:
        model = SentenceTransformer(
            str(folder),
            device=str(chosen),
            trust_remote_code=config.remote_code is not None,
            local_files_only=config.remote_code in (None, "own"),
            model_kwargs={"use_safetensors": None if config.trust_pickle else True, **code},
            config_kwargs=code or None,
        )
    except Exception as error:  # several libraries raise what they like for a file that is missing or damaged
        raise ProviderError(
            f"{folder} cannot be loaded ({type(error).__name__}: {' '.join(str(error).split())[:300]}); "
            "copy the whole model again, or look whether its files are of one model"
        ) from error
    model.eval()
    # bf16 by autocast turns every weight into bf16 at every call: on a CPU with AVX512_BF16 that gave 22 texts a
    # CPU second where fp32 gave 37 (benchmarks/encoder_kinds.py).
    plain = config.precision == "auto" and chosen.type == "cpu"
    return model, str(chosen), choose_precision("fp32" if plain else config.precision, chosen)
