"""Several cards: each takes the next batch when it is free."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING

from xtr_assets.core.types import Floats
from xtr_assets.encoders.forward_pass import Batch, Pass

if TYPE_CHECKING:
    import torch


def cards(device: "torch.device") -> list[str]:
    """The devices that a device stands for: cuda, without a number, is every card of the machine."""
    import torch

    count = torch.cuda.device_count() if device.type == "cuda" and device.index is None else 1
    return [str(device)] if count < 2 else [f"{device.type}:{number}" for number in range(count)]


class SpreadPass:
    """Batches over passes that are alike, a thread for each; results come in the order of the work.

    A question is one batch and goes to the first: no thread is started for it.
    """

    def __init__(self, passes: Sequence[Pass]) -> None:
        """passes : at least one, of one precision, each with a device of its own."""
        self._passes = tuple(passes)
        self.precision = passes[0].precision
        kinds = {one.device.partition(":")[0] for one in passes}
        self.device = f"{','.join(sorted(kinds))}:{','.join(one.device.partition(':')[2] for one in passes)}"

    def __call__(self, work: Sequence[Batch]) -> Iterator[tuple[Floats, Floats]]:
        if len(work) < 2:
            yield from self._passes[0](work)
            return
        free: SimpleQueue[Pass] = SimpleQueue()
        for one in self._passes:
            free.put(one)

        def encode(batch: Batch) -> tuple[Floats, Floats]:
            taken = free.get()
            try:
                [found] = taken([batch])
            finally:
                free.put(taken)
            return found

        with ThreadPoolExecutor(min(len(self._passes), len(work)), "card") as pool:
            try:
                yield from pool.map(encode, work)
            finally:
                pool.shutdown(cancel_futures=True)
