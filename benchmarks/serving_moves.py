"""The server while its pointer moves: every answer held against the library's over the generation that it names.

    python benchmarks/serving_moves.py WAREHOUSE [--publishes 100] [--rollbacks 10] [--connections 8] [--workers 1]
    python benchmarks/serving_moves.py WAREHOUSE --soak 30 [--pace 20]

The warehouse (a copy: its pointer is moved) holds two generations or more that passed their gate; the pointer goes
between the latest two. An answer is mixed where it is not, hit by hit, what a Searcher over the named generation
answered before. With --soak the pointer moves every 15 s for so many minutes, each connection asks `pace` questions a
second, and the memory of the server's processes is printed. Live recall and a query log are on.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import serving

import xtr_assets as xa

MODES = ("dense", "hybrid", "lexical")
QUESTIONS = 60


def expected(warehouse: Path, number: int, asked: list[str]) -> dict[str, dict[str, list[int]]]:
    """mode -> question -> chunk_ids of the first ten."""
    with xa.open(warehouse, device="cpu", generation=number) as local:
        answers = {mode: local.search_batch(asked, 10, mode) for mode in MODES}  # type: ignore[arg-type]
    return {
        mode: {query: [hit.chunk_id for hit in hits] for query, hits in zip(asked, found, strict=True)}
        for mode, found in answers.items()
    }


def memory(pids: list[int]) -> tuple[float, float]:
    """Megabytes of these processes: resident, and of that their own (not mapped from files)."""
    sums = [0.0, 0.0]
    for pid in pids:
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
        )
        for i, name in enumerate(("VmRSS", "RssAnon")):
            sums[i] += int(status[name].split()[0]) / 1024
    return sums[0], sums[1]


def asking(port: int, until: float, pace: float, seed: int, known: dict[str, dict[str, dict[str, list[int]]]]) -> None:
    """Ask until the clock says so, and print what came of it as one line of JSON."""
    asked, failed, mixed, times, seen = serving.questions(QUESTIONS), 0, 0, [], set()
    ways = {mode: serving.bare(port, mode) for mode in MODES}
    place = seed
    while time.time() < until:
        mode, query = MODES[place % len(MODES)], asked[place % QUESTIONS]
        place += 7
        began = time.perf_counter()
        try:
            answer = ways[mode](query)
        except Exception as error:
            failed += 1
            print(f"failed: {type(error).__name__} {str(error)[:200]}", file=sys.stderr)
            ways[mode] = serving.bare(port, mode)
            continue
        times.append(1000 * (time.perf_counter() - began))
        seen.add(answer["generation"])
        mixed += [hit["chunk_id"] for hit in answer["hits"]] != known[str(answer["generation"])][mode][query]
        if pace:
            time.sleep(max(0.0, 1 / pace - (time.perf_counter() - began)))
    print(json.dumps({"failed": failed, "mixed": mixed, "times": times, "seen": sorted(seen)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("warehouse", type=Path)
    parser.add_argument("--publishes", type=int, default=100)
    parser.add_argument("--rollbacks", type=int, default=10)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--soak", type=float, default=0.0, metavar="MINUTES")
    parser.add_argument("--pace", type=float, default=0.0)
    parser.add_argument("--ask", nargs=4, metavar=("PORT", "UNTIL", "SEED", "KNOWN"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.ask:
        port, until, seed, known = given.ask
        asking(int(port), float(until), given.pace, int(seed), json.loads(Path(known).read_text()))
        return
    warehouse = xa.Warehouse.open(given.warehouse)
    older, newer = sorted(one.number for one in warehouse.generations())[-2:]
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "known.json"
        known = {number: expected(given.warehouse, number, serving.questions(QUESTIONS)) for number in (older, newer)}
        kept.write_text(json.dumps(known))
        options = ["--query-log", folder, "--recall-share", "0.02"]
        if given.workers > 1:
            options += ["--workers", str(given.workers)]
        process, port = serving.started(given.warehouse, options)
        try:
            _run(given, warehouse, older, newer, process, port, kept)
        finally:
            process.terminate()
            print(f"the server ended with {process.wait(60)}")


def _run(
    given: argparse.Namespace,
    warehouse: xa.Warehouse,
    older: int,
    newer: int,
    process: "subprocess.Popen[str]",
    port: int,
    kept: Path,
) -> None:
    moves = given.publishes + given.rollbacks
    every = moves // max(1, given.rollbacks)
    seconds = 60 * given.soak if given.soak else 2.5 * moves + 5
    until = time.time() + seconds
    command = [sys.executable, __file__, str(given.warehouse), "--pace", str(given.pace)]
    clients = [
        subprocess.Popen(
            [*command, "--ask", str(port), str(until), str(seed), str(kept)], stdout=subprocess.PIPE, text=True
        )
        for seed in range(given.connections)
    ]
    figures: list[tuple[float, float, float]] = []
    stop = threading.Event()

    def measured() -> None:
        began = time.time()
        while not stop.wait(10 if given.soak else 1):
            figures.append((time.time() - began, *memory(serving.processes(process.pid))))

    watching = threading.Thread(target=measured)
    watching.start()
    made = 0
    while time.time() < until - (2 if given.soak else 0):
        if given.soak:
            time.sleep(min(15, max(0.0, until - time.time())))
        elif made == moves:
            break
        else:
            time.sleep(1.5)
        back = made % every == every - 1
        serves = warehouse.published
        assert serves is not None
        if back:
            warehouse.rollback()
        else:
            other = older if serves.number == newer else newer
            warehouse.publish(other, force_reason="a benchmark", again_reason="a benchmark")
        made += 1
    told = [json.loads(one.communicate()[0]) for one in clients]
    stop.set()
    watching.join()
    times = [one for client in told for one in client["times"]]
    print(
        f"{made} moves, {len(times):,} answers, {sum(one['failed'] for one in told)} failed, "
        f"{sum(one['mixed'] for one in told)} mixed; generations {sorted({n for one in told for n in one['seen']})}; "
        f"p50 {serving.share(times, 0.5):.2f} ms, p99 {serving.share(times, 0.99):.2f} ms"
    )
    last = -1.0
    for at, resident, own in figures:
        # By the minute; without --soak every quarter of one.
        if at - last >= (60 if given.soak else 15):
            last = at
            print(f"after {at / 60:5.1f} min: resident {resident:7.1f} MB, own {own:7.1f} MB")
    half = figures[len(figures) // 2 :]
    sizes = [own for _, _, own in half]
    slope = statistics.linear_regression([at / 60 for at, _, _ in half], sizes).slope
    middle = statistics.median(sizes)
    print(f"own memory in the second half: {min(sizes):.1f} to {max(sizes):.1f}, median {middle:.1f} MB")
    print(f"its slope: {slope:+.3f} MB a minute")


if __name__ == "__main__":
    main()
