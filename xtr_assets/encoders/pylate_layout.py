"""Models that list their modules: PyLate's, and sentence-transformers' own multi-vector ones."""

import string
from pathlib import Path
from typing import Any, NamedTuple

from xtr_assets.core.errors import ProviderError
from xtr_assets.encoders.late_layout import (
    MODEL_CONFIG,
    MODULES,
    SENTENCE_SETTINGS,
    DenseStep,
    Expansion,
    LateLayout,
    Side,
    json_file,
    member,
    module_list,
    setting,
    words,
)
from xtr_assets.encoders.model_weights import weights_file
from xtr_assets.encoders.projection_steps import ACTIVATIONS

# What PyLate takes where its settings say nothing (its class ColBERT).
QUERY_PREFIX, DOCUMENT_PREFIX = "[Q] ", "[D] "
QUERY_LENGTH, DOCUMENT_LENGTH = 32, 180
TRANSFORMER_SETTINGS = "sentence_bert_config.json"
PYLATE_TYPE, OWN_TYPE = "ColBERT", "MultiVectorEncoder"
# By the last part of a module's type. PyLate leaves masking and unit length to its code, sentence-transformers lists
# them.
TRANSFORMER, DENSE, MASK, NORMALIZE = "Transformer", "Dense", "MultiVectorMask", "Normalize"


def read_modules(folder: Path, trust_pickle: bool = False) -> LateLayout:
    """A folder with modules.json. Raises ProviderError."""
    modules = module_list(folder / MODULES)
    kinds = [one["type"].rpartition(".")[2] for one in modules]
    origin = folder / SENTENCE_SETTINGS
    settings = json_file(origin) if origin.is_file() else {}
    own = settings.get("model_type") == OWN_TYPE
    known = {TRANSFORMER, DENSE, MASK, NORMALIZE} if own else {TRANSFORMER, DENSE}
    if strange := [kind for kind in kinds if kind not in known]:
        pooled = "; a pooled model is `kind: sentence-transformers`" if "Pooling" in strange else ""
        raise ProviderError(f"{folder / MODULES} lists {strange[0]}, which late interaction does not know{pooled}")
    if kinds[:1] != [TRANSFORMER] or kinds.count(TRANSFORMER) != 1:
        raise ProviderError(f"{folder / MODULES} lists {', '.join(kinds) or 'nothing'}; it must begin with Transformer")
    if DENSE not in kinds:
        raise ProviderError(
            f"{folder} has no projection: {MODULES} lists {', '.join(kinds)}; take a model that was trained for late "
            "interaction, a random projection would find nothing"
        )
    steps = []
    for one, kind in zip(modules, kinds, strict=True):
        if kind == DENSE:
            place = member(folder, one["path"])
            config = json_file(place / MODEL_CONFIG)
            steps.append(dense_step(place, one["path"], weights_file(place, trust_pickle), config))
    backbone = member(folder, modules[0]["path"])
    if own:
        masks = [member(folder, one["path"]) for one, kind in zip(modules, kinds, strict=True) if kind == MASK]
        if kinds[-1] != NORMALIZE or len(masks) != 1:
            raise ProviderError(
                f"{folder / MODULES} lists {', '.join(kinds)}; a model whose token embeddings are of unit length lists "
                f"{MASK} once and ends with {NORMALIZE}"
            )
        return _own(backbone, masks[0] / MODEL_CONFIG, settings, origin, tuple(steps))
    return _pylate(backbone, settings, origin, tuple(steps))


def dense_step(place: Path, name: str, weights: Path, config: dict[str, Any]) -> DenseStep:
    """A Dense module, of PyLate or sentence-transformers. Raises ProviderError."""
    origin = place / MODEL_CONFIG
    if (reads := config.get("module_input_name", "token_embeddings")) != "token_embeddings":
        raise ProviderError(f"{origin} reads {reads!r}, a projection of tokens reads 'token_embeddings'")
    activation = setting(config, "activation_function", str, None, origin)
    short = "" if activation is None else activation.rpartition(".")[2]
    if short not in ACTIVATIONS or not activation.startswith("torch.nn."):
        raise ProviderError(
            f"{origin}: `activation_function` is {activation!r}; known are {', '.join(ACTIVATIONS)} of torch.nn"
        )
    shape = tuple(setting(config, key, int, None, origin) for key in ("in_features", "out_features"))
    if None in shape:
        raise ProviderError(f"{origin} must name `in_features` and `out_features`; get the model again")
    residual = setting(config, "use_residual", bool, False, origin)
    return DenseStep(name, weights, activation=short, residual=residual, shape=(shape[0], shape[1]))


def _pylate(backbone: Path, settings: dict[str, Any], origin: Path, steps: tuple[DenseStep, ...]) -> LateLayout:
    query_length = setting(settings, "query_length", int, QUERY_LENGTH, origin)
    expansion = None
    if setting(settings, "do_query_expansion", bool, True, origin):
        # A model of sentence-transformers' early days has the spelling of Stanford's metadata.
        attends = [settings.get(key) for key in ("attend_to_expansion_tokens", "attend_to_mask_tokens")]
        expansion = Expansion(query_length, attend=next((bool(a) for a in attends if a is not None), False))
    prompts = _prompts(settings, origin)
    query, document = (
        setting(settings, key, str, default, origin)
        for key, default in (("query_prefix", QUERY_PREFIX), ("document_prefix", DOCUMENT_PREFIX))
    )
    return LateLayout(
        "pylate",
        backbone,
        # Some saves repeat the prefix in the prompt: it stands there once.
        Side(query, prompts["query"].removeprefix(query), query_length),
        Side(
            document,
            prompts["document"].removeprefix(document),
            setting(settings, "document_length", int, DOCUMENT_LENGTH, origin),
        ),
        steps,
        expansion,
        words(settings, "skiplist_words", tuple(string.punctuation), origin),
        lower=_transformer(backbone).lower,
    )


def _own(
    backbone: Path, mask: Path, settings: dict[str, Any], origin: Path, steps: tuple[DenseStep, ...]
) -> LateLayout:
    place, (model, lower, most) = backbone / TRANSFORMER_SETTINGS, _transformer(backbone)
    masked = json_file(mask)
    if masked.get("keep_only_token_ids"):
        raise ProviderError(f"{mask}: `keep_only_token_ids` is for images; only texts are supported")
    tasks = words(masked, "skiplist_tasks", ("document",), mask)
    if "document" not in tasks or set(tasks) - {"document", "query"}:
        raise ProviderError(f"{mask}: `skiplist_tasks` is {list(tasks)}, known are ['document'] and that with 'query'")
    prompts = _prompts(settings, origin)
    return LateLayout(
        "sentence-transformers",
        backbone,
        Side(prompt=prompts["query"], length=setting(model, "query_length", int, most, place)),
        Side(prompt=prompts["document"], length=setting(model, "document_length", int, most, place)),
        steps,
        _expansion(setting(model, "query_expansion", dict, None, place), place),
        words(masked, "skiplist_words", (), mask),
        skip_queries="query" in tasks,
        lower=lower,
    )


class _Transformer(NamedTuple):
    """What a folder says of its transformer: all of it, whether texts are put in lower case first, and most tokens."""

    settings: dict[str, Any]
    lower: bool
    most: int | None


def _transformer(backbone: Path) -> _Transformer:
    place = backbone / TRANSFORMER_SETTINGS
    found = json_file(place) if place.is_file() else {}
    lower = setting(found, "do_lower_case", bool, False, place)
    return _Transformer(found, lower, setting(found, "max_seq_length", int, None, place))


def _expansion(found: dict[str, Any] | None, origin: Path) -> Expansion | None:
    if found is None:
        return None
    strategy = found.get("strategy")
    length = setting(found, "length", int, None, origin)
    if strategy not in ("fixed", "min") or length is None:
        raise ProviderError(
            f"{origin}: `query_expansion` has the strategy {strategy!r} and the length {length}; known are 'fixed' and "
            "'min' with a length"
        )
    attend, token = setting(found, "attend", bool, False, origin), setting(found, "token", str, None, origin)
    return Expansion(length, attend, token)


def _prompts(settings: dict[str, Any], origin: Path) -> dict[str, str]:
    """The prompt of each side, "" where there is none; of documents by any of the names in use."""
    found = setting(settings, "prompts", dict, {}, origin)
    document = next((found[key] for key in ("document", "passage", "corpus") if found.get(key)), "")
    chosen = {"query": found.get("query") or "", "document": document}
    for side, prompt in chosen.items():
        if not isinstance(prompt, str):
            raise ProviderError(f"{origin}: the prompt of {side} is {prompt!r}, wanted is a text; mend the file")
    return chosen
