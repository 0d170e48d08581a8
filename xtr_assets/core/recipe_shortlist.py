"""Which dense recipe suits a corpus: a shortlist by rows, dim, serving target, memory and change rate, with reasons."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.recipe_grammar import Recipe, parse_recipe

Target = Literal["cpu", "gpu", "gpu-cuvs"]

# Up to here a scan of all rows is exact and costs less than a search's fixed part, or little more. Where lists can only
# be read by FAISS it is worth a few hundred microseconds further up.
FLAT_ROWS, FLAT_ROWS_WITHOUT_INTEGERS = 2_000, 10_000
# Where more than this share of the rows repeat another row, lists and codes learn from a few vectors: a row that comes
# lies beyond what their bytes reach, and a thousand copies stand before it (3,141 copies of four texts in IVF32,SQ8:
# .25 of the queries about a changed one found it). Scanning so many rows takes some milliseconds, and is exact.
MOST_REPEATS, REPEATED_FLAT_ROWS = 0.5, 50_000
# On a GPU a brute-force scan of this many rows is memory-bound at a few hundred microseconds.
GPU_FLAT_ROWS = 100_000
# Lists: 3 sqrt(n) balances the cost of choosing lists with that of reading them up to millions of rows; beyond, lists
# of about 150 rows behind a graph over the centroids (65,536 lists at 10 M). Codes of 4 bits are read so fast that a
# third as many lists cost less (docs/measurements.md, "What the planner rests on").
LISTS_PER_SQRT_ROW = 3.0
LISTS_PER_SQRT_ROW_FAST = 1.0
# Codes that are read by integer products (index/dense/sq_scan.py) cost as little, and so do centroids.
LISTS_PER_SQRT_ROW_INTEGER = 1.5
# Half bytes are as good as bytes where there are many dims (384: 20 candidates hold the true ten of 50,000 rows to
# 0.998), but not where there are few (128: 0.97), and save nothing while bytes stay in the cache. Few rows want few
# lists: 4,000 x 384 in 32, 64 and 128 lists 35, 55 and 39 us a single query at 0.95.
HALF_BYTE_DIMS, BYTE_ROWS = 192, 10_000
LISTS_PER_SQRT_ROW_BYTES = 0.6
# The leading principal axes are enough where they hold this share of the sum of squares. Turning a query onto them
# takes 5 us: worth it once codes leave the cache (docs/measurements.md, "What the planner rests on").
AXES_SHARE, AXES_FROM_BYTES = 0.9, 4_000_000
AXES_STEP, MOST_AXES = 64, 0.5
GRAPH_QUANTIZER_ROWS = 5_000_000
LISTS_PER_SQRT_ROW_LARGE = 16.0
# k-means sees this many vectors a list: fewer leave lists empty, more cost time without recall.
TRAINING_VECTORS_PER_LIST = 64
# 1 GiB of float32 is the most a training sample may take: building 1 M x 384 stays far below 8 GB.
TRAINING_BYTES = 1 << 30
# A graph cannot forget: masked nodes are still walked through, so it is rebuilt at a fifth dead. At half a percent of
# change a generation that is every forty generations, the least often that pays for its slower build.
GRAPH_CHANGE_RATE = 0.005
# 4-bit codes cost half a byte a part. Of residuals (the ending r): at equal cost of building and reading they need a
# third fewer candidates re-ranked. Parts of 2 dims take twice the bytes and save re-ranking: little at 384 dims and
# recall 0.95, a quarter at 0.99, much at 128 dims (docs/measurements.md, "What the planner rests on").
PQ_DIMS_PER_PART, PQ_DIMS_PER_FINE_PART = 4, 2
PQ_PARTS = 64
FINE_GOAL = 0.98
# Below this many dims a part of 4 dims is too coarse for its 16 centroids and one byte a dim is small anyway.
PQ_MIN_DIM = 32
# Each costs a build where the choice is measured.
SHORTLIST = 4
# Multiply-adds a CPU second in k-means and assignment: 200,000 x 384 in 1024 lists took 27.6 s, tuning included.
MULTIPLY_ADDS_PER_SECOND = 2.5e10
KMEANS_ROUNDS = 10
# Tuning: 256 queries scanned exactly and their candidates ranked at every depth: 0.2 s and 0.4 ns a row and dim of
# each, from four corpora of 8,000 to 45,000 rows.
TUNING_QUERIES = 256
TUNING_SECONDS, TUNING_NS_A_DIM = 0.2, 0.4


@dataclass(frozen=True, slots=True)
class DensePlan:
    """One way to build the index, and what it is expected to cost: bytes in memory, the memory-mapped vectors aside,
    and CPU seconds, tuning included."""

    recipe: str
    reason: str
    rows: int
    dim: int
    target: Target
    training_rows: int
    memory_bytes: int
    build_seconds: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def plan_dense(
    rows: int,
    dim: int,
    target: Target = "cpu",
    *,
    recipe: str = "auto",
    recall_goal: float = 0.95,
    change_rate: float = 0.01,
    memory_budget: int | None = None,
    axes: int = 0,
    repeats: float = 0.0,
    integers: bool = True,
) -> DensePlan:
    """The first of the shortlist, or the explicit recipe, which always wins.

    >>> plan_dense(150_000, 384).recipe
    'IVF512,SQ4'
    >>> plan_dense(150_000, 384, axes=128).recipe
    'PCA128,IVF512,SQ4'
    >>> plan_dense(150_000, 384, integers=False).recipe
    'IVF512,PQ96x4fsr'
    """
    if recipe != "auto":
        return _plan(parse_recipe(recipe), rows, dim, target, "asked for by name")
    return shortlist_dense(
        rows,
        dim,
        target,
        recall_goal=recall_goal,
        change_rate=change_rate,
        memory_budget=memory_budget,
        axes=axes,
        repeats=repeats,
        integers=integers,
    )[0]


def shortlist_dense(
    rows: int,
    dim: int,
    target: Target = "cpu",
    *,
    recall_goal: float = 0.95,
    change_rate: float = 0.01,
    memory_budget: int | None = None,
    axes: int = 0,
    repeats: float = 0.0,
    integers: bool = True,
) -> tuple[DensePlan, ...]:
    """Recipes worth measuring, the most promising first.

    Parameters
    ----------
    rows, dim : live rows and dims of a vector.
    target : where it is served: "cpu", "gpu" (classic FAISS clones) or "gpu-cuvs".
    recall_goal : recall@10 that must be met; 1.0 admits only exhaustive search.
    change_rate : share of rows removed and added from one generation to the next. Inverted lists forget a row for the
        price of one row; a graph cannot, so it is offered only below GRAPH_CHANGE_RATE.
    memory_budget : bytes the built index may hold; InvalidInput names the smallest need where nothing fits.
    axes : so many principal axes hold AXES_SHARE of the vectors' sum of squares (`enough_axes`); 0 where too many do,
        or nobody looked.
    repeats : the share of the rows that are another row's vector again (`repeated_share`); 0 where nobody looked.
    integers : whether this machine reads scalar codes by integer products (index/dense/sq_scan.py).
    """
    _check(rows, dim, target, recall_goal)
    if target == "cpu":
        options = _cpu_options(rows, dim, recall_goal, change_rate, axes, integers)
        if repeats > MOST_REPEATS and rows <= REPEATED_FLAT_ROWS:
            options = [("Flat", f"{repeats:.0%} of the rows repeat others: lists would learn nothing, a scan is exact")]
    else:
        options = _gpu_options(rows, dim, target, change_rate)
    if recall_goal >= 1.0:
        options = [("Flat", "a recall goal of 1 admits only exhaustive search")]
    plans = [_plan(parse_recipe(recipe), rows, dim, target, reason) for recipe, reason in options]
    if memory_budget is None:
        return tuple(plans)
    fitting = tuple(plan for plan in plans if plan.memory_bytes <= memory_budget)
    if not fitting:
        least = min(plans, key=lambda plan: plan.memory_bytes)
        raise InvalidInput(
            f"a memory budget of {memory_budget} bytes holds none of {[plan.recipe for plan in plans]}; "
            f"the smallest, {least.recipe}, needs {least.memory_bytes}"
        )
    return fitting


def enough_axes(moments: Sequence[float]) -> int:
    """The number of principal axes that hold AXES_SHARE of the sum of squares, in whole registers of bytes; 0 where
    that is more than half of them.

    moments : second moment along each axis, descending.

    >>> enough_axes([1.0] * 60 + [0.001] * 324), enough_axes([1.0] * 384)
    (64, 0)
    """
    total = sum(moments)
    for axes in range(AXES_STEP, int(MOST_AXES * len(moments)) + 1, AXES_STEP):
        if total > 0 and sum(moments[:axes]) >= AXES_SHARE * total:
            return axes
    return 0


def list_count(rows: int, per_sqrt_row: float = LISTS_PER_SQRT_ROW) -> int:
    """The number of inverted lists for so many rows: a power of two.

    >>> [list_count(n) for n in (20_000, 150_000, 1_000_000, 10_000_000)]
    [512, 1024, 4096, 65536]
    >>> [list_count(n, LISTS_PER_SQRT_ROW_FAST) for n in (20_000, 150_000, 1_000_000, 10_000_000)]
    [128, 512, 1024, 65536]
    """
    factor = per_sqrt_row if rows < GRAPH_QUANTIZER_ROWS else LISTS_PER_SQRT_ROW_LARGE
    return int(2 ** round(math.log2(max(1.0, factor * math.sqrt(max(1, rows))))))


def training_rows(recipe: Recipe, rows: int, dim: int) -> int:
    """How many vectors are sampled for training: bounded by lists, by memory and by what there is."""
    if not recipe.trained:
        return 0
    # Codebooks alone need few vectors: 256 x 256 is FAISS's own bound for one sub-quantizer.
    wanted = max(recipe.nlist * TRAINING_VECTORS_PER_LIST, 65_536 if recipe.code == "PQ" else 16_384)
    return min(rows, wanted, TRAINING_BYTES // (4 * dim))


def _cpu_options(
    rows: int, dim: int, goal: float, change_rate: float, axes: int, integers: bool
) -> list[tuple[str, str]]:
    options: list[tuple[str, str]] = []
    most = FLAT_ROWS if integers else FLAT_ROWS_WITHOUT_INTEGERS
    if rows <= most:
        return [("Flat", f"{rows} rows are at most {most}: scanning them all is exact and fast enough")]
    lists = list_count(rows)
    graph_above = "_HNSW32" if rows >= GRAPH_QUANTIZER_ROWS else ""
    quantizer = f"IVF{lists}{graph_above}"
    fast = list_count(rows, LISTS_PER_SQRT_ROW_FAST)
    coarse, fine = _pq_parts(dim, PQ_DIMS_PER_PART), _pq_parts(dim, PQ_DIMS_PER_FINE_PART)
    parts, other = (fine, coarse) if fine and (goal >= FINE_GOAL or coarse < PQ_PARTS) else (coarse, fine)
    if integers and rows < GRAPH_QUANTIZER_ROWS:
        options = _integer_options(rows, dim, axes)
    if parts:
        said = (
            f"{rows} rows in {fast} lists of 4-bit codes, re-ranked exactly from the stored vectors; rows are removed "
            "and added in place"
        )
        options.append((f"IVF{fast}{graph_above},PQ{parts}x4fsr", said))
        if other and parts != other:
            said = "more to read and less to re-rank" if other == fine else "half the bytes, more to re-rank"
            options.append((f"IVF{fast}{graph_above},PQ{other}x4fsr", f"4-bit codes in {other} parts: {said}"))
    if not integers or rows >= GRAPH_QUANTIZER_ROWS:
        options.append((f"{quantizer},SQ8", f"{rows} rows in {lists} lists, one byte a dim: less to re-rank"))
    if change_rate <= GRAPH_CHANGE_RATE:
        said = f"a graph suits a change rate of {change_rate:.2%} a generation (<= {GRAPH_CHANGE_RATE:.2%})"
        options.insert(min(1, len(options)), ("HNSW32_SQ8", said))
    options.append((f"{quantizer},Flat", f"{rows} rows in {lists} lists of whole vectors: nothing to re-rank"))
    return options[:SHORTLIST]


def _integer_options(rows: int, dim: int, axes: int) -> list[tuple[str, str]]:
    """Lists of scalar codes that integer products read."""
    halves = dim >= HALF_BYTE_DIMS and rows > BYTE_ROWS
    lists = list_count(rows, LISTS_PER_SQRT_ROW_INTEGER if rows > BYTE_ROWS else LISTS_PER_SQRT_ROW_BYTES)
    code, size = ("SQ4", "half a byte") if halves else ("SQ8", "one byte")
    said = f"{rows} rows in {lists} lists, {size} a dim read by integer products, re-ranked exactly"
    options = [(f"IVF{lists},{code}", said)]
    if axes and code == "SQ4" and rows * dim // 2 > AXES_FROM_BYTES:
        held = f"{axes} principal axes hold {AXES_SHARE:.0%} of the sum of squares: {axes} of {dim} dims are read"
        options.insert(0, (f"PCA{axes},IVF{lists},{code}", f"{said}; {held}"))
    return options


def _gpu_options(rows: int, dim: int, target: Target, change_rate: float) -> list[tuple[str, str]]:
    if rows <= GPU_FLAT_ROWS:
        return [("Flat", f"{rows} rows are at most {GPU_FLAT_ROWS}: a GPU scans them all")]
    lists = min(list_count(rows), 65_536)
    options = [(f"IVF{lists},Flat", f"{rows} rows in {lists} lists of whole vectors: every GPU build clones it")]
    if target == "gpu":
        options.append((f"IVF{lists},SQfp16", f"half the GPU memory of IVF{lists},Flat; not with cuVS"))
    parts = _pq_parts(dim, PQ_DIMS_PER_PART)
    if parts:
        options.append((f"IVF{lists},PQ{parts}", f"one byte a part of {dim // parts} dims where GPU memory is short"))
    if target == "gpu-cuvs" and change_rate <= GRAPH_CHANGE_RATE:
        options.append(("HNSW32", "a graph on the CPU; on the GPU a CAGRA graph, made of its vectors at opening"))
    return options


def _pq_parts(dim: int, dims_per_part: int) -> int:
    """Parts of about so many dims that divide the dim; 0 where it does not divide well.

    >>> [_pq_parts(dim, 4) for dim in (384, 128, 100, 31)]
    [96, 32, 25, 0]
    """
    if dim < PQ_MIN_DIM:
        return 0
    best = max(m for m in range(1, dim // dims_per_part + 1) if dim % m == 0)
    return best if best >= dim // (2 * dims_per_part) else 0


def _plan(recipe: Recipe, rows: int, dim: int, target: Target, reason: str) -> DensePlan:
    _check(rows, dim, target, 0.5)
    recipe.check_dim(dim)
    recipe.check_target(target)
    sample = training_rows(recipe, rows, dim)
    if recipe.nlist > max(1, sample):
        raise InvalidInput(f"recipe {recipe.text} needs at least {recipe.nlist} rows to train on, there are {sample}")
    return DensePlan(
        recipe=recipe.text,
        reason=reason,
        rows=rows,
        dim=dim,
        target=target,
        training_rows=sample,
        memory_bytes=recipe.memory_bytes(rows, dim),
        build_seconds=round(_build_seconds(recipe, rows, dim, sample), 2),
    )


def _build_seconds(recipe: Recipe, rows: int, dim: int, sample: int) -> float:
    if recipe.exhaustive:
        return rows * dim * 4 / 2e9
    tuning = TUNING_SECONDS + TUNING_QUERIES * rows * dim * TUNING_NS_A_DIM * 1e-9
    if recipe.family == "flat":
        return tuning + rows * dim * 4 / 1e9
    if recipe.family == "hnsw":
        # About 300 distances an insertion at 40 neighbours explored, growing with the logarithm of the rows.
        return tuning + rows * 300 * math.log2(max(2, rows)) / 12 * dim / 1e9
    dim = recipe.coded_dim(dim)
    assigned = recipe.nlist if not recipe.quantizer_graph else 20 * math.sqrt(recipe.nlist)
    codebook = sample if recipe.code == "PQ" else 0
    work = KMEANS_ROUNDS * sample * recipe.nlist * dim + rows * assigned * dim
    return tuning + (work + 25 * min(codebook, 65_536) * (1 << recipe.pq_bits) * dim) / MULTIPLY_ADDS_PER_SECOND


def _check(rows: int, dim: int, target: str, recall_goal: float) -> None:
    if rows < 0 or dim < 1:
        raise InvalidInput(f"{rows} rows of dim {dim} cannot be planned; rows >= 0 and dim >= 1 are needed")
    if target not in get_args(Target):
        raise InvalidInput(f"target {target!r} is unknown; allowed: {', '.join(get_args(Target))}")
    if recall_goal <= 0.0:
        raise InvalidInput(f"recall goal {recall_goal} must be above 0")
