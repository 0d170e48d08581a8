"""What each kind of encoder costs: `OMP_NUM_THREADS=1 python benchmarks/encoder_kinds.py [TEXTS]`.

CPU seconds, in turns: texts a CPU second, CPU ms of a query of ten tokens, and CPU seconds to open it. The pooled model
is minilm's own, read by sentence-transformers; the static table is that model's word embeddings, their first 256
dimensions.
"""

import shutil
import sys
import sysconfig
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from safetensors.numpy import load_file, save_file

from xtr_assets.config import (
    EncoderConfig,
    EncoderPair,
    HashingConfig,
    MiniLmConfig,
    SentenceTransformersConfig,
    StaticConfig,
)
from xtr_assets.encoders import Encoder, open_fresh
from xtr_assets.encoders.make_projection import functions
from xtr_assets.encoders.weights import locate_minilm

ROUNDS, QUERIES, WIDTH = 3, 20, 256
QUERY = "how to parse an ISO date string"
# Fast kinds are given as many times the texts, so that a round lasts.
TIMES = {"hashing": 30, "static": 30, "static + hashing": 20}


def table_of(model: Path, folder: Path) -> Path:
    """A static model of a BERT's word embeddings."""
    rows = load_file(model / "model.safetensors")
    (words,) = (value for name, value in rows.items() if name.endswith("word_embeddings.weight"))
    save_file({"embeddings": np.ascontiguousarray(words[:, :WIDTH])}, folder / "model.safetensors")
    shutil.copy(model / "tokenizer.json", folder)
    return folder


def opened(config: EncoderConfig) -> tuple[Encoder, float]:
    start = time.process_time()
    encoder = open_fresh(config)
    encoder.encode_documents(["a first text"])
    return encoder, time.process_time() - start


def main() -> None:
    count = int((*sys.argv, "150")[1])
    texts = [text[:2000] for text in functions(Path(sysconfig.get_paths()["stdlib"]), count)]
    model = locate_minilm().weights.parent
    with TemporaryDirectory() as folder:
        table = table_of(model, Path(folder))
        configs: dict[str, EncoderConfig] = {
            "hashing": HashingConfig(),
            "static": StaticConfig(model=table),
            "static + hashing": EncoderPair(dense=StaticConfig(model=table), tokens=HashingConfig()),
            "minilm": MiniLmConfig(),
        }
        for precision in ("fp32", "bf16"):
            settings = {"model": str(model), "max_tokens": 256, "precision": precision}
            configs[f"sentence-transformers {precision}"] = SentenceTransformersConfig.model_validate(settings)
        encoders = {name: opened(config) for name, config in configs.items()}
        rates: dict[str, list[float]] = {name: [] for name in encoders}
        asked: dict[str, list[float]] = {name: [] for name in encoders}
        for _ in range(ROUNDS):
            for name, (encoder, _) in encoders.items():
                given = texts * TIMES.get(name, 1)
                start = time.process_time()
                encoder.encode_documents(given)
                rates[name].append(len(given) / (time.process_time() - start))
                start = time.process_time()
                for _ in range(QUERIES):
                    encoder.encode_queries([QUERY])
                asked[name].append((time.process_time() - start) / QUERIES * 1e3)
    for name, (_, seconds) in encoders.items():
        rate, query = float(np.median(rates[name])), float(np.median(asked[name]))
        print(f"{name:28s} {rate:9.1f} texts per CPU second, a query {query:6.2f} CPU ms, {seconds:5.2f} s to open")


if __name__ == "__main__":
    main()
