"""The grammar of dense recipes: FAISS factory strings of the families the platform can build, change and serve."""

import re
from dataclasses import dataclass, replace
from typing import Literal, cast

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.field_problem import shown

Family = Literal["flat", "ivf", "hnsw"]
Code = Literal["Flat", "SQ8", "SQfp16", "SQ4", "PQ"]

ALLOWED = (
    "Flat, SQfp16, SQ8, HNSW<m>, HNSW<m>_SQ8, HNSW<m>_SQfp16, IVF<n>[_HNSW<m>],Flat|SQfp16|SQ8|SQ4|PQ<m>[x4|x8]|"
    "PQ<m>x4fs[r], PCA<d>,IVF<n>,SQ8|SQ4"
)
_PATTERN = re.compile(
    r"(?P<flat>Flat|SQfp16|SQ8)"
    r"|HNSW(?P<graph>\d{1,9})(?:[_,](?P<node>Flat|SQ8|SQfp16))?"
    r"|(?:PCA(?P<axes>\d{1,9}),(?=IVF\d{1,9},SQ[48]$))?IVF(?P<nlist>\d{1,9})(?:_HNSW(?P<quantizer>\d{1,9}))?,"
    r"(?:(?P<code>Flat|SQ8|SQfp16|SQ4)|PQ(?P<m>\d{1,9})(?:x(?P<bits>4|8))?(?P<fast>fs)?(?P<residual>r)?)"
)
FAST_SCAN_BLOCK = 32
# With more lists than this, choosing among them by looking at every centroid costs more than reading.
MOST_INTEGER_LISTS = 16_384
_INTEGER_BITS = {"SQ8": 8, "SQ4": 4}
_BYTES_PER_DIM = {"Flat": 4.0, "SQfp16": 2.0, "SQ8": 1.0, "SQ4": 0.5}


@dataclass(frozen=True, slots=True)
class Recipe:
    """A parsed recipe. `text` is FAISS's factory string; an IVF list and an ID map hold 8-byte rows.

    `axes` above 0: lists and codes are of the coordinates along so many principal axes (of second moments, not of
    variances: nothing is subtracted, so that inner products stay what they are).
    """

    text: str
    family: Family
    code: Code
    nlist: int = 0
    quantizer_graph: int = 0
    graph: int = 0
    pq: int = 0
    pq_bits: int = 8
    fast_scan: bool = False
    axes: int = 0

    @property
    def exact_codes(self) -> bool:
        """Whether the codes are the vectors themselves: approximate only in which lists or nodes are visited."""
        return self.code == "Flat"

    @property
    def exhaustive(self) -> bool:
        """Whether every vector is scored with its true value: nothing to tune."""
        return self.family == "flat" and self.code == "Flat"

    @property
    def integer_bits(self) -> int:
        """Bits of a code that integer products can read (index/dense/sq_scan.py); 0 where FAISS has to."""
        listed = self.family == "ivf" and not self.quantizer_graph and self.nlist <= MOST_INTEGER_LISTS
        return _INTEGER_BITS.get(self.code, 0) if listed else 0

    @property
    def removable(self) -> bool:
        """Whether FAISS physically removes rows; from a graph they can only be masked."""
        return self.family != "hnsw"

    @property
    def trained(self) -> bool:
        """Whether something is learnt from a sample."""
        return self.family == "ivf" or self.code in ("SQ8", "SQ4", "PQ")

    def with_lists(self, nlist: int) -> "Recipe":
        """The same with another number of lists."""
        return replace(self, nlist=nlist, text=re.sub(r"IVF\d+", f"IVF{nlist}", self.text))

    def coded_dim(self, dim: int) -> int:
        """Dims of what is coded."""
        return self.axes or dim

    def code_bytes(self, dim: int) -> float:
        """Bytes of one encoded vector."""
        dim = self.coded_dim(dim)
        if self.code == "PQ":
            return -(-self.pq // 2) if self.pq_bits == 4 else -(-self.pq * self.pq_bits // 8)
        return dim * _BYTES_PER_DIM[self.code]

    def memory_bytes(self, rows: int, dim: int) -> int:
        """Bytes the built index holds in memory: codes, rows, centroids, graph links."""
        bytes_a_row = self.code_bytes(dim) + 8
        if self.graph:
            # Level 0 has 2 m links of 4 bytes, one node in m has m more a level; 8 bytes of offset and 4 of level.
            bytes_a_row += 4 * (2 * self.graph + 1) + 12
        centroids = (self.nlist * self.coded_dim(dim) + self.axes * dim) * 4
        if self.quantizer_graph:
            centroids += self.nlist * (4 * (2 * self.quantizer_graph + 1) + 12)
        codebook = 4 * dim * (1 << self.pq_bits) if self.code == "PQ" else 0
        # Fast scan reads blocks of 32 codes: half a block of each list is padding.
        padding = self.nlist * FAST_SCAN_BLOCK // 2 * self.code_bytes(dim) if self.fast_scan else 0
        return int(rows * bytes_a_row + centroids + codebook + padding)

    def check_dim(self, dim: int) -> None:
        """Raise InvalidInput where the codes cannot hold vectors of this dim."""
        if self.axes > dim:
            raise InvalidInput(f"recipe {self.text} keeps {self.axes} axes of {dim} dims; allowed: 1 to {dim}")
        if self.code == "PQ" and (self.pq < 1 or dim % self.pq):
            divisors = ", ".join(str(m) for m in range(1, dim + 1) if dim % m == 0)
            raise InvalidInput(
                f"recipe {self.text} cuts {dim} dims into {self.pq} parts; the parts must be one of {divisors}"
            )

    def check_target(self, target: str) -> None:
        """Raise InvalidInput where the target, "cpu", "gpu" or "gpu-cuvs", cannot serve it."""
        cagra = target == "gpu-cuvs" and self.family == "hnsw" and self.code == "Flat"
        graphs = self.family == "hnsw" or self.quantizer_graph
        if target != "cpu" and not cagra and (graphs or self.fast_scan or self.axes):
            raise InvalidInput(
                f"recipe {self.text} cannot be cloned to a GPU (target {target}); use Flat or "
                "IVF<n>,Flat|SQfp16|PQ<m>, HNSW<m> for target gpu-cuvs, or target cpu"
            )
        if target == "gpu-cuvs" and self.code == "SQfp16":
            raise InvalidInput(f"cuVS has no {self.text}; use IVF<n>,Flat, IVF<n>,PQ<m> or HNSW<m>, or target gpu")


def check_recipe(text: str, dim: int) -> None:
    """Raise InvalidInput where the recipe, or "auto", cannot hold vectors of this dim: asked before anything is
    encoded."""
    if text != "auto":
        parse_recipe(text).check_dim(dim)


def parse_recipe(text: str) -> Recipe:
    """Read a factory string. Raises InvalidInput naming what is allowed.

    >>> parse_recipe("IVF1024,PQ96x4fs").nlist
    1024
    """
    found = _PATTERN.fullmatch(text.replace(" ", ""))
    if not found:
        raise InvalidInput(f"recipe {shown(text)} is unknown; allowed: auto, {ALLOWED}")
    graph, nlist = found["graph"], found["nlist"]
    code = cast(Code, found["flat"] or found["node"] or found["code"] or ("Flat" if graph else "PQ"))
    if found["flat"]:
        return Recipe(text=code, family="flat", code=code)
    if graph:
        if not 4 <= int(graph) <= 128:
            raise InvalidInput(f"recipe {text!r} asks for {graph} links a node; allowed: 4 to 128")
        text = f"HNSW{graph}" if code == "Flat" else f"HNSW{graph}_{code}"
        return Recipe(text=text, family="hnsw", code=code, graph=int(graph))
    if found["axes"] == "0":
        raise InvalidInput(f"recipe {text!r} keeps 0 axes; allowed: 1 and more")
    if int(nlist) < 1:
        raise InvalidInput(f"recipe {text!r} has 0 lists; allowed: 1 and more")
    bits = int(found["bits"] or 8)
    if found["fast"] and bits != 4:
        raise InvalidInput(f"recipe {text!r}: fast scan reads 4-bit codes, not {bits}-bit; write PQ{found['m']}x4fs")
    if found["residual"] and not found["fast"]:
        raise InvalidInput(f"recipe {text!r}: the ending r belongs to fast scan; write PQ{found['m']}x4fsr")
    return Recipe(
        text=found.group(0),
        family="ivf",
        code=code,
        nlist=int(nlist),
        quantizer_graph=int(found["quantizer"] or 0),
        pq=int(found["m"] or 0),
        pq_bits=bits,
        fast_scan=bool(found["fast"]),
        axes=int(found["axes"] or 0),
    )
