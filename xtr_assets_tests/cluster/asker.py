"""Asks a front again and again from inside of a host, and writes down each answer."""

import json
import sys
import threading
import time
from pathlib import Path
from typing import IO

import httpx

QUERIES = ("parse date zebra", "giraffe", "date text", "zebra giraffe parse")
THREADS, PAUSE_SECONDS = 2, 0.05


def ask(url: str, token: str, out: IO[str], stop: Path, seed: int) -> None:
    """One client: the next question when the last was answered."""
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30) as client:
        number = seed
        while not stop.exists():
            number += 1
            query = QUERIES[number % len(QUERIES)]
            started = time.time()
            try:
                answer = client.post("/v1/search", json={"query": query, "k": 8})
                said = {"status": answer.status_code, "answer": answer.json()}
            except (httpx.HTTPError, ValueError) as error:
                said = {"status": 0, "answer": repr(error)}
            out.write(json.dumps({"at": started, "took": time.time() - started, "query": query, **said}) + "\n")
            out.flush()
            time.sleep(PAUSE_SECONDS)


def main(url: str, token: str, out: str, stop: str) -> None:
    """Until the file `stop` is there."""
    with Path(out).open("a") as file:
        clients = [threading.Thread(target=ask, args=(url, token, file, Path(stop), n)) for n in range(THREADS)]
        for one in clients:
            one.start()
        for one in clients:
            one.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
