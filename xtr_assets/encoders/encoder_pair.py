"""One encoder for the embeddings and one for the token embeddings, as one; or one leg of an encoder alone."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xtr_assets.core.errors import ConfigError, UnusableText
from xtr_assets.core.types import Int32s, Leg, Legs
from xtr_assets.encoders.base import Encoded, EncodedQueries, Encoder, Progress, Tolerance
from xtr_assets.encoders.encoder_record import CODE_VERSIONS, apart, hold_to_record

CODE_VERSION = CODE_VERSIONS["pair"]
# Both encode the same texts, and progress counts each text once: after so many texts one encoder waits for the other,
# so that progress is seen and what is held twice stays small.
STEP = 1024


class Paired:
    """Embeddings of `dense`, tokens of `tokens`; what else either gives is left out. A leg without encoder is absent.

    Each text goes to both encoders, or once to one that stands for both legs. ConfigError where an encoder lacks the
    leg that it is named for.
    """

    def __init__(self, dense: Encoder | None, tokens: Encoder | None) -> None:
        self.parts: dict[Leg, Encoder] = {}
        named: tuple[tuple[Leg, Encoder | None], ...] = (("dense", dense), ("tokens", tokens))
        for leg, part in named:
            if part is None:
                continue
            if leg not in part.legs:
                raise ConfigError(
                    f"`encoder.{leg}` is {part.name}, which gives {', '.join(sorted(part.legs))} alone; name an "
                    f"encoder that gives {leg} vectors, or leave `{leg}` out"
                )
            self.parts[leg] = part
        if not self.parts:
            raise ConfigError("an encoder of two parts has none; give `dense`, `tokens` or both")
        self.legs: Legs = frozenset(self.parts)
        self.dim = 0 if dense is None else dense.dim
        self.token_dim = 0 if tokens is None else tokens.token_dim
        self.name = " + ".join(part.name for part in self.parts.values())
        self.fingerprint = hashlib.sha256(json.dumps(self._identity(), sort_keys=True).encode()).hexdigest()
        tolerances = {leg: part.tolerance for leg, part in self.parts.items()}
        exact = Tolerance(1.0, 1.0, 1.0)
        late = tolerances.get("tokens", exact)
        self.tolerance = Tolerance(tolerances.get("dense", exact).embedding, late.token, late.mean_token)

    def _identity(self) -> dict[str, Any]:
        return {"pair": CODE_VERSION, **{leg: part.fingerprint for leg, part in self.parts.items()}}

    def describe(self) -> dict[str, Any]:
        """Name, kind, fingerprint, and what each part says of itself; JSON-able."""
        return {
            "name": self.name,
            "kind": "pair",
            "code": CODE_VERSION,
            "fingerprint": self.fingerprint,
            "dim": self.dim,
            "token_dim": self.token_dim,
            **{leg: part.describe() for leg, part in self.parts.items()},
            "device": ", ".join(dict.fromkeys(str(p.describe().get("device", "cpu")) for p in self.parts.values())),
        }

    def encode_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Encoded:
        """Encode whole texts; `windows` counts those of the part that took more of them."""
        starts = range(0, len(texts), STEP) or (0,)
        return joined([self._documents(texts[start : start + STEP], start, progress) for start in starts])

    def _documents(self, texts: Sequence[str], start: int, progress: Progress | None) -> Encoded:
        """Some of all texts, from number `start` on."""
        try:
            made = {id(part): part.encode_documents(texts) for part in self.parts.values()}
        except UnusableText as error:
            raise UnusableText(start + error.index, error.problem) from error
        of = {leg: made[id(part)] for leg, part in self.parts.items()}
        if progress is not None and texts:
            progress(len(texts))
        nothing = np.empty((len(texts), 0), np.float16)
        dense, late = of.get("dense"), of.get("tokens")
        return Encoded(
            nothing if dense is None else dense.embeddings,
            np.empty((0, 0), np.float16) if late is None else late.tokens,
            np.zeros(len(texts) + 1, np.int64) if late is None else late.offsets,
            np.empty(0, np.int32) if late is None else late.token_ids,
            max(one.windows for one in of.values()),
        )

    def encode_queries(self, texts: Sequence[str]) -> EncodedQueries:
        """Encode queries."""
        made = {id(part): part.encode_queries(texts) for part in self.parts.values()}
        of = {leg: made[id(part)] for leg, part in self.parts.items()}
        dense, late = of.get("dense"), of.get("tokens")
        return EncodedQueries(
            np.empty((len(texts), 0), np.float32) if dense is None else dense.embeddings,
            tuple(np.empty((0, 0), np.float32) for _ in texts) if late is None else late.tokens,
            tuple(np.empty(0, np.int32) for _ in texts) if late is None else late.token_ids,
        )

    def hold_to(self, described: Mapping[str, Any]) -> None:
        """Let each part compare itself with its own record."""
        for leg, part in self.parts.items():
            hold_to_record(part, described.get(leg))

    def apart(self) -> "Paired":
        """A pair of copies of its parts."""
        dense, tokens = self.parts.get("dense"), self.parts.get("tokens")
        late = None if tokens is None else apart(tokens)
        return Paired(late if dense is tokens else None if dense is None else apart(dense), late)

    def surface(self, token_ids: Sequence[int] | Int32s) -> list[str]:
        """The strings of token ids of the part that gives tokens."""
        part = self.parts.get("tokens")
        return [] if part is None else part.surface(token_ids)


def joined(parts: Sequence[Encoded]) -> Encoded:
    """Encoded texts after one another."""
    if len(parts) == 1:
        return parts[0]
    ends = np.cumsum([0, *(int(one.offsets[-1]) for one in parts)])
    return Encoded(
        np.concatenate([one.embeddings for one in parts]),
        np.concatenate([one.tokens for one in parts]),
        np.concatenate(
            [np.zeros(1, np.int64), *(one.offsets[1:] + end for one, end in zip(parts, ends, strict=False))]
        ),
        np.concatenate([one.token_ids for one in parts]),
        sum(one.windows for one in parts),
    )
