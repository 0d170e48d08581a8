"""Encoding throughput and cold start of the embedded MiniLM against transformers: `python benchmarks/encoders.py`.

CPU seconds on one thread, so that a busy machine tells nearly the same. Ours encodes texts whole, in windows;
transformers cuts them at 256 tokens, which spares it about a tenth of the tokens.
"""

import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import numpy as np

from xtr_assets.config import EncoderConfig
from xtr_assets.encoders import open_encoder
from xtr_assets.encoders.batches import batches
from xtr_assets.encoders.forward_pass import BATCH_OVERHEAD, TOKEN_BUDGET
from xtr_assets.encoders.hashing import Hashing
from xtr_assets.encoders.make_projection import functions
from xtr_assets.encoders.weights import locate_minilm

OURS = (
    "from xtr_assets.config import EncoderConfig as C; from xtr_assets.encoders import open_encoder as o; "
    "o(C()).encode_queries(['parse an ISO date'])"
)
THEIRS = (
    "from transformers import AutoModel, AutoTokenizer; f = {folder!r}; "
    "AutoModel.from_pretrained(f)(**AutoTokenizer.from_pretrained(f)('parse an ISO date', return_tensors='pt'))"
)


def cpu_rate(work: "object", texts: int) -> float:
    start = time.process_time()
    work()  # type: ignore[operator]
    return texts / (time.process_time() - start)


def main() -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    torch.set_num_threads(1)
    folder = str(locate_minilm().weights.parent)
    texts = [text[:2000] for text in functions(Path(sysconfig.get_paths()["stdlib"]), int((*sys.argv, "500")[1]))]
    for precision in ("fp32", "bf16"):
        encoder = open_encoder(EncoderConfig(precision=precision))
        encoder.encode_documents(texts[:50])
        rate = cpu_rate(lambda e=encoder: e.encode_documents(texts), len(texts))
        print(f"xtr-assets {precision:20s} {rate:7.1f} texts per CPU second")

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

        rate = cpu_rate(work, len(texts))
        print(f"transformers {attention} {'bf16 autocast' if cast else 'fp32':13s} {rate:7.1f} texts per CPU second")

    rate = cpu_rate(lambda: Hashing().encode_documents(texts * 20), len(texts) * 20)
    print(f"hashing encoder {rate:27.1f} texts per CPU second")
    for name, code in (("xtr-assets", OURS), ("transformers", THEIRS.format(folder=folder))):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        print(f"new process to first query vector, {name}: {time.perf_counter() - start:.2f} s")


if __name__ == "__main__":
    main()
