"""Moves of a pointer in this process' metrics (docs/metrics.md): whoever makes them, the shell, a run or a script."""

from collections.abc import Iterator
from contextlib import contextmanager

from xtr_assets.core.errors import PublishRefused

# What the history calls a move -> what the metric does.
ACTIONS = {"published": "publish", "rolled_back": "rollback", "withdrawn": "withdraw"}


def count_move(place: str, action: str, serving: int | None, forced: bool = False) -> None:
    """Count a move of the warehouse or set called `place`, as the history calls it, and note what serves after it."""
    # Imported here: most of what imports the storage moves no pointer.
    from xtr_assets.telemetry import metrics

    metrics.PUBLICATIONS.labels("forced" if forced and action == "published" else ACTIONS[action]).inc()
    if serving is not None:
        metrics.PUBLISHED_GENERATION.labels(place).set(serving)
        # What serves is withdrawn by a rollback, which is counted by itself.
        if action != "withdrawn":
            metrics.POINTER_MOVED.labels(place).set_to_current_time()


@contextmanager
def counting_refusals() -> Iterator[None]:
    """Count what is refused to be published."""
    try:
        yield
    except PublishRefused:
        from xtr_assets.telemetry import metrics

        metrics.PUBLICATIONS.labels("refused").inc()
        raise
