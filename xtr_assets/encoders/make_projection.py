"""Makes the projection that the package ships: `python -m xtr_assets.encoders.make_projection OUT`.

Half-whitened PCA of the token states of functions of the standard library: rotate to the principal axes, keep the
first 128 of 384, scale each by its variance to the power -1/4. Plain PCA (power 0) lets the few large axes, which are
shared by all tokens, decide; full whitening (-1/2) blows up the noise of the small ones. Takes
about a CPU minute. The result depends on the running Python's library: what is shipped is data with a sha256, and a new
one is a new encoder.
"""

import ast
import random
import sys
import sysconfig
from pathlib import Path

import numpy as np

from xtr_assets.core.types import Floats
from xtr_assets.encoders.batches import batches

TOKEN_DIM = 128
FUNCTIONS = 1500
MAX_TOKENS = 256
SEED = 20


def functions(root: Path, count: int) -> list[str]:
    """Source texts of functions under `root` without tests and installed packages, a fixed sample."""
    found = []
    for path in sorted(root.rglob("*.py")):
        if {"site-packages", "test", "tests", "idlelib", "lib2to3"} & set(path.parts):
            continue
        try:
            text = path.read_text("utf-8")
            tree = ast.parse(text)
        except (SyntaxError, UnicodeDecodeError):
            continue
        nodes = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
        lines = text.encode().split(b"\n")
        found += [_segment(lines, node) for node in nodes]
    return random.Random(SEED).sample(sorted(found), min(count, len(found)))


def _segment(lines: list[bytes], node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """What ast.get_source_segment gives, which splits the whole file anew for each node: minutes for the library."""
    last = node.end_lineno or node.lineno
    taken = lines[node.lineno - 1 : last]
    taken[-1] = taken[-1][: node.end_col_offset]
    taken[0] = taken[0][node.col_offset :]
    return b"\n".join(taken).decode()


def half_whitened(states: Floats, dim: int) -> Floats:
    """The matrix, float32 [hidden, dim], of states float32 [tokens, hidden].

    The covariance of the projected states is diagonal, the square roots of the first `dim` variances.
    """
    variances, axes = np.linalg.eigh(np.cov(states, rowvar=False, dtype=np.float64))
    variances, axes = variances[::-1][:dim], axes[:, ::-1][:, :dim]
    # An axis has no sign of its own: the largest component is made positive, so that two runs agree.
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(dim)])
    return np.ascontiguousarray(axes * variances**-0.25, np.float32)


def token_states(texts: list[str]) -> Floats:
    """Last hidden states, float32 [tokens, 384], of the tokens that documents keep; texts cut at MAX_TOKENS."""
    import torch
    from safetensors.torch import load_file

    from xtr_assets.encoders.bert import Bert
    from xtr_assets.encoders.bert_shape import BertShape
    from xtr_assets.encoders.weights import locate_minilm
    from xtr_assets.encoders.wordpiece import WordPieces

    files = locate_minilm()
    files.verify()
    pieces, shape = WordPieces(files.tokenizer), BertShape.read(files.config)
    model = Bert(load_file(files.weights), shape, torch.float32, torch.device("cpu"))
    rows = [np.array([pieces.cls, *ids[: MAX_TOKENS - 2], pieces.sep]) for ids in pieces.ids(texts)]
    lengths = np.array([len(row) for row in rows])
    kept = ~(pieces.special | pieces.punctuation)
    states = []
    for batch in batches(lengths, 2048, 40):
        ids = np.zeros((len(batch), lengths[batch].max()), np.int64)
        for place, number in enumerate(batch):
            ids[place, : lengths[number]] = rows[number]
        hidden = model(torch.from_numpy(ids), torch.from_numpy(lengths[batch]), (shape.layers,))[shape.layers].numpy()
        # Padding has id 0, which is the special [PAD]: not kept either.
        states.append(hidden[kept[ids]])
    return np.concatenate(states)


def main(out: Path) -> None:
    """Write the projection as safetensors {"matrix"} and print its sha256."""
    from safetensors.numpy import save_file

    from xtr_assets.core.files import sha256_file

    states = token_states(functions(Path(sysconfig.get_paths()["stdlib"]), FUNCTIONS))
    save_file({"matrix": half_whitened(states, TOKEN_DIM)}, out)
    print(f"{len(states)} token states, {out}: {out.stat().st_size} bytes, sha256 {sha256_file(out)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
