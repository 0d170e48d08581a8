"""A run that a person asked for: by whom, when, and which runs before it asked the same. It may have waited in a queue,
and it may be the second one of a run whose process died."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

import dagster as dg

from xtr_assets.core.errors import PublishRefused
from xtr_assets.storage.history_entry import HistoryEntry
from xtr_assets.storage.parts.part_records import PartMove

# Who moved the pointer, in the history: this and the id of the run; then who launched it, where Dagster knows that.
BY_RUN = "dagster run "
# Set by a run coordinator that knows who asks (Dagster's "run attribution"), and by Dagster+.
USER_TAGS = ("user", "dagster/user")

# The first of these events of a run says when it was asked for, by the clock of who launched it: when its row was made
# is said by the database, in whatever time zone that is in.
ASKED = {dg.DagsterEventType.RUN_ENQUEUED, dg.DagsterEventType.RUN_STARTING, dg.DagsterEventType.RUN_START}

# Actions of the history, as they are told of a generation or a move.
DONE = {"rolled_back": "rolled back to", "recovered": "found to serve"}

Context = dg.AssetExecutionContext | dg.AssetCheckExecutionContext | dg.OpExecutionContext


def by_run(run: dg.DagsterRun) -> str:
    """Who does what a run does, for the history."""
    users = [user for tag in USER_TAGS if (user := run.tags.get(tag))]
    return f"{BY_RUN}{run.run_id}" + (f", {users[0]}" if users else "")


def run_of(who: str) -> str | None:
    """The id of the run that a line of the history is by; None where it is by none."""
    return who.removeprefix(BY_RUN).partition(",")[0] if who.startswith(BY_RUN) else None


def runs_of(context: Context) -> list[str]:
    """The id of the run, then of the one that it was executed again for, and so on."""
    found, before = [context.run.run_id], context.run.parent_run_id
    while before is not None and before not in found:
        found.append(before)
        run = context.instance.get_run_by_id(before)
        before = None if run is None else run.parent_run_id
    return found


@dataclass(frozen=True, slots=True)
class AskedRun:
    """by : who asked, for the history. runs : ids of the run, and of those that it was executed again for. at : when
    the first of them was asked for, in UTC, to the second."""

    by: str
    runs: tuple[str, ...]
    at: str

    @classmethod
    def of(cls, context: Context) -> Self:
        """Of the run that executes."""
        runs = tuple(runs_of(context))
        # Somebody may have deleted the first ones.
        logs = filter(None, (context.instance.all_logs(one, of_type=ASKED) for one in reversed(runs)))
        asked = datetime.fromtimestamp(next(logs)[0].timestamp, UTC)
        return cls(by_run(context.run), runs, asked.isoformat(timespec="seconds"))

    def did(self, lines: Iterable[HistoryEntry], *actions: str) -> HistoryEntry | None:
        """The line of the history that one of its runs wrote by such an action."""
        return next((one for one in lines if one.action in actions and self.is_by(one.who)), None)

    def is_by(self, who: str) -> bool:
        """Whether one of its runs is who did something."""
        return run_of(who) in self.runs

    def refuse_after(self, last: HistoryEntry | PartMove | None, remedy: str = "") -> None:
        """PublishRefused where the last line of a history was written since the run was asked for: whoever asked saw
        something else."""
        if last is None or last.at <= self.at:
            return
        thing = f"move {last.number}" if isinstance(last, PartMove) else f"generation {last.generation}"
        what = f"{thing} was {DONE.get(last.action, last.action)}"
        raise PublishRefused(
            f"{what} on {last.at} by {last.who}, after this run was asked for at {self.at}: look at what serves now, "
            f"and launch a new run where it is still meant{remedy}"
        )

    def settled(self, told: str, stands: bool, now: str) -> None:
        """PublishRefused where what one of its runs did already does not stand any more; doing it once more is for a
        new run."""
        if not stands:
            raise PublishRefused(f"{told}, and {now} since; launch a new run where that is to be done once more")
