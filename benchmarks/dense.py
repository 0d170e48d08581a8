"""Dense search: this package, raw FAISS of the same recipe, hnswlib, usearch, voyager, LanceDB, at recall 0.95, 0.99.

    python benchmarks/dense.py --rows 100000                 # clustered synthetic vectors, 384 dims
    python benchmarks/dense.py --data $XTR_ASSETS_DATA/sift  # base.npy and queries.npy, normalized
    python benchmarks/dense.py --vectors a.npz b.npz --asked q.npz   # arrays "embeddings" of an encoder
    python benchmarks/dense.py --peers /path/to/python       # an interpreter that has the peers installed
    python benchmarks/dense.py --figure docs/figures/dense.svg   # recall against time, drawn

Every contender is set to its cheapest setting that meets the recall against exact search over the same vectors, then
all are timed in turn, round after round, on one thread: CPU microseconds a query (median over the rounds), one query a
call and all in one call. CPU time, so that a busy machine shifts nothing but noise.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from xtr_assets.core.recall import recall_at_k
from xtr_assets.core.recipe_grammar import parse_recipe
from xtr_assets.core.recipe_shortlist import plan_dense
from xtr_assets.core.types import Floats, Ints
from xtr_assets.index import DenseIndex
from xtr_assets.index.exact_scan import exact_dense
from xtr_assets.index.faiss_provider import load_faiss

K = 10
GOALS = (0.95, 0.99)
PEERS = ("hnswlib", "usearch", "voyager", "lancedb IVF_PQ", "lancedb IVF_HNSW_SQ")
# Recalls that ours is tuned to for the figure; peers draw the settings of their ladders.
CURVE = (0.8, 0.9, 0.95, 0.98, 0.99, 0.995)
# A point of the figure is the least of so many runs, of ours as of theirs.
TRIES = 3
faiss = load_faiss()


@dataclass
class Contender:
    """A contender at a setting: `run(single)` gives CPU seconds a query."""

    name: str
    goal: float
    setting: str
    recall: float
    run: Callable[[bool], float]


def synthetic(rows: int, dim: int, queries: int) -> tuple[Floats, Floats]:
    """Topics of very different sizes in a space of fewer directions than dims, as sentence embeddings have them."""
    generator = np.random.default_rng(7)
    basis = generator.standard_normal((96, dim)).astype("f4")
    topics = generator.standard_normal((max(50, rows // 200), 96)).astype("f4")
    weights = generator.pareto(1.2, len(topics)) + 0.1

    def draw(count: int) -> Floats:
        chosen = generator.choice(len(topics), count, p=weights / weights.sum())
        points = topics[chosen] + 0.8 * generator.standard_normal((count, 96)).astype("f4")
        return unit((points @ basis + 2.0 * generator.standard_normal((count, dim))).astype("f4"))

    return draw(rows), draw(queries)


def unit(vectors: Floats) -> Floats:
    scaled: Floats = (vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)).astype("f4")
    return scaled


def timed(search: Callable[[Floats], Any], queries: Floats, single: bool) -> float:
    started = time.process_time()
    if single:
        for number in range(len(queries)):
            search(queries[number : number + 1])
    else:
        search(queries)
    return (time.process_time() - started) / len(queries)


def ours(vectors: Floats, recipe: str, queries: Floats, exact: Ints, goals: tuple[float, ...]) -> list[Contender]:
    """This package and raw FAISS over the same trained index, the latter with FAISS's own float32 refinement."""
    started = time.perf_counter()
    index = DenseIndex.build(vectors, recipe)
    say(f"  {index.recipe}: built in {time.perf_counter() - started:.1f} s, {index.memory_bytes >> 20} MiB")
    parsed = parse_recipe(index.recipe)
    refined = faiss.IndexFlatIP(vectors.shape[1])
    refined.add(index.vectors.gather(index.vectors.rows()))
    base = index.faiss_index
    found = []
    for goal in goals:
        profile = index.tune(queries, exact, goal=goal, k=K).profile
        text = f"nprobe={profile.nprobe} ef={profile.ef_search} rescore={profile.rescore}".replace("nprobe=0 ", "")
        overrides = {"nprobe": profile.nprobe, "ef_search": profile.ef_search, "rescore": profile.rescore}
        overrides = {name: value for name, value in overrides.items() if value}

        def search(q: Floats, overrides: dict[str, int] = overrides) -> Ints:
            return index.search(q, K, **overrides)[1]  # type: ignore[arg-type]

        found.append(contender(f"xtr-assets {index.recipe}", goal, text, search, queries, exact))
        inside: Any = None
        if parsed.family == "ivf":
            inside = faiss.SearchParametersIVF(nprobe=profile.nprobe)
        elif parsed.family == "hnsw":
            inside = faiss.SearchParametersHNSW(efSearch=max(profile.ef_search, profile.rescore))
        if profile.rescore:
            raw = faiss.IndexRefine(base, refined)
            parameters = faiss.IndexRefineSearchParameters(k_factor=profile.rescore / K, base_index_params=inside)
        else:
            raw, parameters = base, inside

        def search_raw(q: Floats, raw: Any = raw, parameters: Any = parameters) -> Ints:
            rows: Ints = raw.search(q, K, params=parameters)[1]
            return rows

        found.append(contender(f"raw FAISS  {index.recipe}", goal, text, search_raw, queries, exact))
        if parsed.exhaustive:
            break
    return found


def contender(
    name: str, goal: float, setting: str, search: Callable[[Floats], Ints], queries: Floats, exact: Ints
) -> Contender:
    recall = float(recall_at_k(search(queries), exact).mean())
    return Contender(name, goal, setting, recall, lambda single: timed(search, queries, single))


class Peers:
    """The peers' own interpreter."""

    def __init__(self, python: str, vectors: Floats, queries: Floats, folder: Path) -> None:
        np.save(folder / "vectors.npy", vectors)
        np.save(folder / "queries.npy", queries)
        self.folder = folder
        script = Path(__file__).with_name("dense_peers.py")
        self.process = subprocess.Popen([python, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **request: Any) -> dict[str, Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        print(json.dumps(request), file=self.process.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def contenders(self, peer: str, exact: Ints, curves: dict[str, list[tuple[float, float]]]) -> list[Contender]:
        built = self.ask(build=peer, vectors=str(self.folder / "vectors.npy"))
        if "missing" in built:
            say(f"  {peer}: skipped, {built['missing']}")
            return []
        say(f"  {peer} {built['version']}: built in {built['seconds']:.1f} CPU s")
        asked = {"peer": peer, "queries": str(self.folder / "queries.npy"), "k": K}
        found = []
        tried = []
        for parameter in built["parameters"]:
            answers = [self.ask(**asked, parameter=parameter, single=True) for _ in range(TRIES)]
            answer, seconds = answers[0], min(float(one["seconds"]) for one in answers)
            tried.append((seconds, float(recall_at_k(np.array(answer["rows"]), exact).mean()), parameter))
        curves[peer] = [(recall, seconds * 1e6) for seconds, recall, _ in tried]
        for goal in GOALS:
            enough = [one for one in tried if one[1] >= goal]
            if not enough:
                say(f"    recall {goal} not reached; at most {max(recall for _, recall, _ in tried):.3f}")
                continue
            _, recall, parameter = min(enough, key=lambda one: one[0])

            def run(single: bool, parameter: Any = parameter) -> float:
                return float(self.ask(**asked, parameter=parameter, single=single)["seconds"])

            setting = " ".join(f"{name}={value}" for name, value in parameter.items())
            found.append(Contender(f"{peer} {built['version']}", goal, setting, recall, run))
        return found


def figure(curves: dict[str, list[tuple[float, float]]], title: str) -> str:
    """An SVG: recall@10 from 0.8 across, us of CPU a query up, in powers of ten."""
    width, height, left, bottom = 720, 420, 60, 380
    colours = ("#1b6ca8", "#d1495b", "#66a182", "#edae49", "#6b4e8e", "#8d96a3")
    lines = {name: sorted(point for point in points if point[0] >= 0.8) for name, points in curves.items()}
    times = [time for points in lines.values() for _, time in points]
    low, high = np.floor(np.log10(min(times))), np.ceil(np.log10(max(times)))

    def place(recall: float, time: float) -> tuple[float, float]:
        share = (np.log10(time) - low) / max(1.0, high - low)
        return left + (recall - 0.8) / 0.2 * 460, bottom - share * 330

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{left}" y="28" font-size="15">recall@10 against us of CPU a query: {title}</text>',
    ]
    for recall in (0.8, 0.85, 0.9, 0.95, 0.99, 1.0):
        x = place(recall, 10**low)[0]
        parts.append(f'<path d="M{x:.1f} 50V{bottom}" stroke="#ddd"/>')
        parts.append(f'<text x="{x:.1f}" y="398" font-size="11" text-anchor="middle">{recall:g}</text>')
    for power in range(int(low), int(high) + 1):
        y = place(0.8, 10.0**power)[1]
        parts.append(f'<path d="M{left} {y:.1f}H520" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" font-size="11" text-anchor="end">{10**power:,}</text>')
    for number, (name, points) in enumerate(lines.items()):
        at, colour = [place(*point) for point in points], colours[number % len(colours)]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in at)
        if at:
            parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in at]
        parts.append(f'<text x="532" y="{70 + 20 * number}" font-size="12" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>\n"])


def say(text: str) -> None:
    print(text, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder with base.npy and queries.npy; synthetic vectors otherwise")
    parser.add_argument("--vectors", type=Path, nargs="+", help="files of an encoder: arrays embeddings [n, dim]")
    parser.add_argument("--asked", type=Path, help="the queries of --vectors")
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument(
        "--recipes", nargs="*", default=None, help="the planner's choice, Flat and HNSW32_SQ8 otherwise"
    )
    parser.add_argument("--peers", default=sys.executable, help="the Python that has hnswlib, usearch and voyager")
    parser.add_argument("--against", nargs="*", default=PEERS, help="which peers")
    parser.add_argument("--figure", type=Path, help="an SVG of recall against time of a single query")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    if arguments.data:
        vectors, queries = (unit(np.load(arguments.data / name).astype("f4")) for name in ("base.npy", "queries.npy"))
        queries = queries[: arguments.queries]
    elif arguments.vectors:
        vectors = unit(np.concatenate([np.load(file)["embeddings"] for file in arguments.vectors])[: arguments.rows])
        queries = unit(np.load(arguments.asked)["embeddings"].astype("f4"))[: arguments.queries]
    else:
        vectors, queries = synthetic(arguments.rows, arguments.dim, arguments.queries)
    faiss.omp_set_num_threads(1)
    say(f"{len(vectors)} x {vectors.shape[1]}, {len(queries)} queries, FAISS {faiss.__version__}")
    stored = DenseIndex.build(vectors, "Flat")
    exact = exact_dense(stored.vectors, stored.present, queries, K)[1]
    recipes = arguments.recipes or list(dict.fromkeys([plan_dense(*vectors.shape).recipe, "Flat", "HNSW32_SQ8"]))
    contenders: list[Contender] = []
    curves: dict[str, list[tuple[float, float]]] = {}
    for recipe in recipes:
        contenders += ours(vectors, recipe, queries, exact, GOALS)
    if arguments.figure:
        curve = ours(vectors, recipes[0], queries, exact, CURVE)[::2]
        curves[curve[0].name] = [(one.recall, min(one.run(True) for _ in range(TRIES)) * 1e6) for one in curve]
    with tempfile.TemporaryDirectory() as folder:
        peers = Peers(arguments.peers, vectors, queries, Path(folder))
        for peer in arguments.against:
            contenders += peers.contenders(peer, exact, curves)
        times: dict[tuple[int, bool], list[float]] = {}
        for _ in range(arguments.rounds):
            for number, one in enumerate(contenders):
                for single in (True, False):
                    times.setdefault((number, single), []).append(one.run(single))
    say(f"\n{'contender':34} {'goal':>5} {'recall':>6} {'single us':>10} {'batch us':>9}  setting")
    for number, one in sorted(enumerate(contenders), key=lambda pair: (pair[1].goal, pair[0])):
        alone, batch = (float(np.median(times[number, mode])) * 1e6 for mode in (True, False))
        say(f"{one.name:34} {one.goal:5.2f} {one.recall:6.3f} {alone:10.1f} {batch:9.1f}  {one.setting}")
    if arguments.figure:
        arguments.figure.write_text(figure(curves, f"{len(vectors):,} x {vectors.shape[1]}, one query a call"))


if __name__ == "__main__":
    main()
