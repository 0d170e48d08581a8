"""The transformer of a late-interaction model, read by transformers: whole, or not at all. Needs torch."""

from pathlib import Path
from typing import TYPE_CHECKING

from xtr_assets.core.errors import ProviderError
from xtr_assets.encoders.late_layout import MODEL_CONFIG, PICKLED_WEIGHTS, json_file
from xtr_assets.encoders.quiet_transformers import quiet
from xtr_assets.encoders.xtr_layout import ENCODERS

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

# Tensors that give no hidden state: a checkpoint may lack them.
UNUSED = ("pooler.", "decoder.", "lm_head.", "encoder.embed_tokens.", "embeddings.position_ids")
# RoBERTa counts positions from behind its padding id.
SHIFTED = ("roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet", "longformer")


def load_backbone(folder: Path, weights: Path, device: "torch.device | str") -> "PreTrainedModel":
    """The encoder in float32. Raises ProviderError where a tensor is missing: transformers would draw it at random."""
    import torch
    from transformers import AutoModel, AutoModelForTextEncoding

    config = json_file(folder / MODEL_CONFIG)
    if config.get("auto_map"):
        raise ProviderError(f"{folder} needs code of its own (`auto_map` in {MODEL_CONFIG}), which is not run")
    # Of T5 the encoder alone; AutoModel would ask for a decoder.
    reader = AutoModelForTextEncoding if config.get("model_type") in ENCODERS else AutoModel
    try:
        with quiet():
            model, found = reader.from_pretrained(
                folder,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=weights.name != PICKLED_WEIGHTS,
                dtype=torch.float32,
                output_loading_info=True,
            )
    except Exception as error:  # transformers raises errors of several libraries; all mean that it cannot be read
        raise ProviderError(
            f"the weights of {folder} cannot be read ({type(error).__name__}: {error!s:.200}); get the model again"
        ) from error
    lacking = sorted(name for name in found["missing_keys"] if not name.startswith(UNUSED))
    if lacking or found["mismatched_keys"] or found["error_msgs"]:
        what = f"lacks {lacking[0]} and {len(lacking) - 1} others" if lacking else "does not fit its configuration"
        raise ProviderError(f"{weights} {what}; it would be drawn at random: get the whole model, of one version")
    ready: PreTrainedModel = model.to(device).eval()
    return ready


def word_rows(model: "PreTrainedModel") -> int:
    """Vocabulary entries that a transformer has vectors of."""
    table: torch.nn.Embedding = model.get_input_embeddings()
    return int(table.weight.shape[0])


def positions_of(model: "PreTrainedModel") -> int | None:
    """The longest input that a transformer has positions for; None where it has no last one."""
    config = model.config
    most = getattr(config, "max_position_embeddings", None)
    if most is None or config.model_type in ENCODERS:
        return None
    return int(most) - (int(config.pad_token_id or 0) + 1 if config.model_type in SHIFTED else 0)
