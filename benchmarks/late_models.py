"""What a model in PyLate's layout costs beside the embedded MiniLM: `python benchmarks/late_models.py`.

The layers are those of all-MiniLM-L6-v2 with an orthonormal projection to 128, since no trained one is in a package:
the cost is that of a trained model of this size, its ranking is not. CPU seconds on one thread.
"""

import json
import shutil
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import save_file

from xtr_assets.config import EncoderConfig, LateInteractionConfig, MiniLmConfig
from xtr_assets.core.vector_agreement import agreement
from xtr_assets.encoders import open_fresh
from xtr_assets.encoders.base import Encoded
from xtr_assets.encoders.make_projection import functions
from xtr_assets.encoders.weights import locate_minilm

QUERY, QUERIES = "how is a date parsed from a string", 20
DIM, HIDDEN = 128, 384


def write_model(folder: Path) -> Path:
    """MiniLM in PyLate's layout."""
    source = locate_minilm().weights.parent
    for path in source.iterdir():
        if path.is_file():
            shutil.copy(path, folder / path.name)
    drawn = torch.randn(HIDDEN, DIM, generator=torch.Generator().manual_seed(1))
    (folder / "1_Dense").mkdir()
    save_file({"linear.weight": torch.linalg.qr(drawn)[0].T.contiguous()}, folder / "1_Dense" / "model.safetensors")
    identity = "torch.nn.modules.linear.Identity"
    dense = {"in_features": HIDDEN, "out_features": DIM, "bias": False, "activation_function": identity}
    modules = [("", "sentence_transformers.models.Transformer"), ("1_Dense", "pylate.models.Dense.Dense")]
    settings = {"query_prefix": "[unused0]", "document_prefix": "[unused1]", "query_length": 32, "document_length": 256}
    for name, value in (
        ("1_Dense/config.json", dense),
        ("modules.json", [{"path": path, "type": kind} for path, kind in modules]),
        ("config_sentence_transformers.json", {"model_type": "ColBERT", **settings}),
    ):
        (folder / name).write_text(json.dumps(value), "utf-8")
    return folder


def measured(name: str, config: EncoderConfig, texts: list[str]) -> Encoded:
    start = time.process_time()
    encoder = open_fresh(config)
    opened = time.process_time() - start
    encoder.encode_documents(texts[:8])
    encoder.encode_queries([QUERY])
    start = time.process_time()
    encoded = encoder.encode_documents(texts)
    documents = time.process_time() - start
    start = time.process_time()
    for _ in range(QUERIES):
        encoder.encode_queries([QUERY])
    query = (time.process_time() - start) / QUERIES
    print(
        f"{name:24s} {len(texts) / documents:6.1f} documents per CPU second, {len(encoded.tokens) / len(texts):5.1f} "
        f"tokens each; a query {query * 1e3:5.1f} CPU ms; opened in {opened:4.1f} CPU s"
    )
    return encoded


def main() -> None:
    torch.set_num_threads(1)
    texts = functions(Path(sysconfig.get_paths()["stdlib"]), int((*sys.argv, "300")[1]))
    with tempfile.TemporaryDirectory() as kept:
        model = str(write_model(Path(kept)))
        fine = measured("late-interaction fp32", LateInteractionConfig(model=model, precision="fp32"), texts)
        coarse = measured("late-interaction bf16", LateInteractionConfig(model=model, precision="bf16"), texts)
    measured("minilm", MiniLmConfig(), texts)
    least = agreement(coarse.tokens, fine.tokens)
    print(f"bf16 against fp32: least agreement of {len(least):,} tokens {least.min():.5f}")


if __name__ == "__main__":
    main()
