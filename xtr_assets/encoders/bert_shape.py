"""The fields of a BERT's config.json that decide its forward pass."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xtr_assets.core.errors import ProviderError
from xtr_assets.core.json_document import read_json

# The number of the layer below the first: rows of the word-piece embedding, without places, types and norm.
WORDS = -1
# The mean of the last states over a window, special tokens included: what the embedding is made of, for each token.
POOLED = -2


@dataclass(frozen=True, slots=True)
class BertShape:
    """Widths and counts of a BERT; `positions` is the longest input, special tokens included."""

    hidden: int
    layers: int
    heads: int
    positions: int
    epsilon: float

    @classmethod
    def read(cls, path: Path) -> "BertShape":
        """Read config.json; a model that our forward passes would compute wrongly is refused."""
        config: dict[str, Any] = read_json(path.read_text("utf-8"))
        for field, allowed in (
            ("model_type", "bert"),
            ("hidden_act", "gelu"),
            ("position_embedding_type", "absolute"),
        ):
            if config.get(field, allowed) != allowed:
                raise ProviderError(f"{path.name}: {field} is {config[field]!r}, only {allowed!r} is supported")
        return cls(
            config["hidden_size"],
            config["num_hidden_layers"],
            config["num_attention_heads"],
            config["max_position_embeddings"],
            config["layer_norm_eps"],
        )
