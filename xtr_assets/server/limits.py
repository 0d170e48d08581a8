"""What a server lets one client ask for. Each bound is said in the error of whoever meets it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a request, and of all requests together."""

    # 64 vectors of 1,024 numbers are 1.3 MB of JSON, 32 queries of 32 tokens of 128 are 2.6 MB. Parsing holds up
    # everybody (30 ms for 4 MiB), so that it is not more.
    body_bytes: int = 4 * 1024 * 1024
    # A person reads ten hits, a reranker takes hundreds.
    k: int = 1000
    # A page of text; encoders read some 300 words of it.
    query_chars: int = 8192
    batch: int = 64
    # k times the queries: chunks of 2 kB make 10 MB of answer.
    hits: int = 5000
    # Levels of objects and lists in `where`, that of `where` itself included.
    where_depth: int = 8
    where_values: int = 1000
    # Chunks before and after one that is read.
    neighbours: int = 50
    # From the first byte of a request to the last of its head, and of its body.
    head_seconds: float = 10.0
    body_seconds: float = 10.0
    # From the question to its answer.
    seconds: float = 30.0
    # Questions that wait for a free worker; at 5 ms each the last of them waits half a second.
    queue: int = 256
    # How long a question waits for others while one is under way; alone it never waits.
    gather_seconds: float = 0.002
    # Texts that are encoded together: an encoder gains little beyond.
    gathered: int = 32
    # Open connections. Each takes a file and, slow, some kilobytes.
    connections: int = 1000


# Seconds after which a client that met a full queue is asked to come again.
RETRY_AFTER = 1


def later() -> dict[str, str]:
    """Of an answer that may be another one in a moment."""
    return {"Retry-After": str(RETRY_AFTER)}
