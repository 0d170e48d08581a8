"""A folder to train a head from, and a model of two layers and thirty words in place of the published one."""

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from xtr_assets.encoders.head import PARTS, TrainedHead
from xtr_assets.encoders.head_file import HEAD_FILE, head_bytes
from xtr_assets.pipeline.heads import head_run
from xtr_assets_tests.encoders.conftest import HIDDEN, random_state, write_model

SPOKEN = ("alpha", "beta", "gamma", "delta", "parse", "date", "iso", "dates", "parsing", "dating")


def sentence(draw: random.Random, length: int) -> str:
    return " ".join(draw.choice(SPOKEN) for _ in range(length))


def function(name: str, draw: random.Random) -> str:
    body = "+".join(sentence(draw, 12).split())
    return f'def {name}():\n    """{sentence(draw, 5)}."""\n    return {body}\n'


@contextmanager
def head_project(folder: Path) -> Iterator[None]:
    """Below `folder`: code (300 functions in 60 files), judged (a BEIR set), model, and the head that there is.

    The digests of the tiny model are no published ones; while this is open, training takes it all the same.
    """
    draw = random.Random(3)
    (folder / "code").mkdir()
    for number in range(60):
        functions = [function(f"f{number}_{nth}", draw) for nth in range(5)]
        (folder / "code" / f"m{number}.py").write_text("\n\n".join(functions))
    (folder / "judged").mkdir()
    texts = [{"_id": f"d{nth}", "title": "", "text": sentence(draw, 20)} for nth in range(40)]
    queries = [{"_id": f"q{nth}", "text": sentence(draw, 4)} for nth in range(20)]
    for name, records in (("corpus", texts), ("queries", queries)):
        (folder / "judged" / f"{name}.jsonl").write_text("\n".join(map(json.dumps, records)))
    (folder / "judged" / "qrels.tsv").write_text("".join(f"q{nth}\td{nth}\t1\n" for nth in range(20)))
    files = write_model(folder / "model", random_state())
    rng = np.random.default_rng(1)
    now = TrainedHead(np.zeros(HIDDEN, np.float32), rng.standard_normal((PARTS * HIDDEN, 8)).astype(np.float32), 2)
    (folder / HEAD_FILE).write_bytes(head_bytes(now))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(head_run, "locate_minilm", lambda _weights: files)
        yield
