"""Makes the channels that int8 leaves in 16 bits: `python -m xtr_assets.encoders.make_int8_channels OUT`.

Of 384 channels some are large in every text: one is 28 where the median's largest is 2. A row in 8 bits is rounded in
steps of its largest channel, so these are kept out of it: WIDE of each matrix, by the largest magnitude that they have
in the canaries' texts and in functions of this package. What the inner layer leaves has no such few channels: of `down`
all stay wide, without which a pooled vector keeps 0.9985 in place of 0.9993. Takes seven CPU seconds. The result is
data, and other channels are another encoder: make it again with a raised CODE_VERSION alone.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from xtr_assets.core.types import Floats, Int32s
from xtr_assets.encoders.bert_numpy import LightBert, map_tensors
from xtr_assets.encoders.bert_shape import BertShape
from xtr_assets.encoders.canary import DOCUMENTS, QUERIES
from xtr_assets.encoders.make_projection import functions
from xtr_assets.encoders.weights import locate_minilm
from xtr_assets.encoders.wordpiece import WordPieces

# A multiple of 16. 16 lose tokens to 0.9963 with fp32, 48 to 0.9978, 96 to 0.9985 and a twentieth of the speed.
WIDE = 48
FUNCTIONS, MAX_TOKENS = 100, 256
# Whose rows are in 8 bits: names of a layer's matrices that share one input, in the extension's order.
NARROW = ("attention.self.query", "attention.output.dense", "intermediate.dense")


class Watched(LightBert):
    """Keeps the largest magnitude of each channel that a matrix multiplies."""

    largest: dict[str, Floats]

    def _dense(self, name: str, x: Floats) -> Floats:
        most = np.abs(x).max(axis=0)
        self.largest[name] = np.maximum(self.largest.get(name, most), most)
        return super()._dense(name, x)


def channels_of(model: Watched, rows: Sequence[Int32s]) -> list[list[list[int]]]:
    """The wide channels of each layer's first three matrices, ascending, by rows of token ids."""
    model.largest = {}
    for row in rows:
        model([row], (model.shape.layers,))
    found = []
    for number in range(model.shape.layers):
        narrow = (model.largest[f"encoder.layer.{number}.{name}"] for name in NARROW)
        found.append([sorted(np.argsort(-most, kind="stable")[:WIDE].tolist()) for most in narrow])
    return found


def main(out: Path) -> None:
    files = locate_minilm()
    files.verify()
    pieces = WordPieces(files.tokenizer)
    texts = [*DOCUMENTS, *QUERIES, *functions(Path(__file__).parents[1], FUNCTIONS)]
    rows = [np.array([pieces.cls, *ids[: MAX_TOKENS - 2], pieces.sep], np.int32) for ids in pieces.ids(texts)]
    found = channels_of(Watched(map_tensors(files.weights), BertShape.read(files.config)), rows)
    out.write_text(json.dumps({files.weights_sha256: found}) + "\n", "ascii")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
