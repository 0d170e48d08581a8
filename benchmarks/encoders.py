"""Encoding throughput and cold start of the embedded MiniLM against transformers: `python benchmarks/encoders.py`.

CPU seconds on one thread, so that a busy machine tells nearly the same. Ours encodes texts whole, in windows;
transformers cuts them at 256 tokens, which spares it about a tenth of the tokens.
"""

import subprocess
import sys
import sysconfig
import time
from functools import partial
from pathlib import Path

import numpy as np

from xtr_assets.encoders.batches import batches
from xtr_assets.encoders.bert_numpy import map_tensors
from xtr_assets.encoders.forward_pass import BATCH_OVERHEAD, TOKEN_BUDGET
from xtr_assets.encoders.hashing import Hashing
from xtr_assets.encoders.make_projection import functions
from xtr_assets.encoders.weights import locate_minilm

OURS = (
    "from xtr_assets.config import MiniLmConfig as C; from xtr_assets.encoders import open_encoder as o; "
    "o(C()).encode_queries(['parse an ISO date'])"
)
THEIRS = (
    "from transformers import AutoModel, AutoTokenizer; f = {folder!r}; "
    "AutoModel.from_pretrained(f)(**AutoTokenizer.from_pretrained(f)('parse an ISO date', return_tensors='pt'))"
)


ROUNDS, QUERIES = 5, 20
# Ten tokens with [CLS] and [SEP].
QUERY = "how to parse an ISO date string"


def cpu_rate(work: "object", texts: int) -> float:
    start = time.process_time()
    work()  # type: ignore[operator]
    return texts / (time.process_time() - start)


def passes(texts: list[str]) -> dict[str, tuple[float, float]]:
    """Texts a CPU second, and CPU seconds of a query of ten tokens, of each forward pass there is here; in turns."""
    from xtr_assets.encoders import native_pass
    from xtr_assets.encoders.forward_pass import TorchPass
    from xtr_assets.encoders.head_file import open_head
    from xtr_assets.encoders.int8_channels import wide_channels
    from xtr_assets.encoders.minilm import MiniLm

    encoders = {}
    for name in (*native_pass.engines("auto"), *native_pass.engines("int8"), "torch fp32", "torch bf16"):
        encoders[name] = one = MiniLm(locate_minilm(), partial(open_head, "shipped"))
        files, shape, head = one._files, one._shape, one._head
        if name.startswith("torch"):
            one._pass = TorchPass(files, shape, head, "cpu", "bf16" if name.endswith("bf16") else "fp32")
        elif name.startswith("scalar"):
            # A tenth as fast as the others: it is there for processors that have nothing else.
            del encoders[name]
        else:
            loaded = {key.removeprefix("bert."): value for key, value in map_tensors(files.weights).items()}
            words = loaded["embeddings.word_embeddings.weight"]
            wide = wide_channels(files.weights_sha256) if name.endswith("_int8") else ()
            one._pass = native_pass.NativePass(name, native_pass._load(name, loaded, shape, wide), shape, head, words)
    rates: dict[str, list[float]] = {name: [] for name in encoders}
    asked: dict[str, list[float]] = {name: [] for name in encoders}
    for _ in range(ROUNDS):
        for name, one in encoders.items():
            rates[name].append(cpu_rate(lambda e=one: e.encode_documents(texts), len(texts)))
            for _ in range(QUERIES):
                asked[name].append(1 / cpu_rate(lambda e=one: e.encode_queries([QUERY]), 1))
    return {name: (float(np.median(rates[name])), float(np.median(asked[name]))) for name in encoders}


def main() -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    torch.set_num_threads(1)
    folder = str(locate_minilm().weights.parent)
    texts = [text[:2000] for text in functions(Path(sysconfig.get_paths()["stdlib"]), int((*sys.argv, "500")[1]))]
    for name, (documents, query) in passes(texts).items():
        print(f"xtr-assets {name:20s} {documents:7.1f} texts per CPU second, a query {query * 1e3:5.2f} CPU ms")

    tokenizer = AutoTokenizer.from_pretrained(folder)
    lengths = np.array([len(ids) for ids in tokenizer(texts, truncation=True, max_length=256)["input_ids"]])
    print(f"{len(texts)} texts, {lengths.mean():.0f} tokens each (cut at 256 for transformers)")
    for attention, cast in (("sdpa", False), ("sdpa", True), ("eager", True)):
        model = AutoModel.from_pretrained(folder, attn_implementation=attention).eval()

        def work(model: "object" = model, cast: bool = cast) -> None:
            for batch in batches(lengths, TOKEN_BUDGET["cpu"], BATCH_OVERHEAD["cpu"]):
                chosen = [texts[j] for j in batch]
                inputs = tokenizer(chosen, padding=True, truncation=True, max_length=256, return_tensors="pt")
                with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=cast):
                    model(**inputs)  # type: ignore[operator]

        # As ours: warm, and the median of as many rounds.
        work()
        rate = float(np.median([cpu_rate(work, len(texts)) for _ in range(ROUNDS)]))
        print(f"transformers {attention} {'bf16 autocast' if cast else 'fp32':13s} {rate:7.1f} texts per CPU second")

    rate = cpu_rate(lambda: Hashing().encode_documents(texts * 20), len(texts) * 20)
    print(f"hashing encoder {rate:27.1f} texts per CPU second")
    for name, code in (("xtr-assets", OURS), ("transformers", THEIRS.format(folder=folder))):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        print(f"new process to first query vector, {name}: {time.perf_counter() - start:.2f} s")


if __name__ == "__main__":
    main()
