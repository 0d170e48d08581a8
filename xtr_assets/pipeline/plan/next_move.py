"""Whether an index of parts has to move: what each part serves, beside the last move and what its shards hold."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from xtr_assets.config import PartConfig
from xtr_assets.core.errors import StorageError
from xtr_assets.core.types import VectorKind
from xtr_assets.pipeline.plan.next_build import next_build
from xtr_assets.pipeline.plan.part_plan import PartPlan
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.parts.move_chain import last_move
from xtr_assets.storage.parts.part_records import PartMove, PartState
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets.storage.parts.part_set_reader import part_state
from xtr_assets.storage.parts.set_check import SetCheck
from xtr_assets.storage.parts.taken_off import taken_off
from xtr_assets.storage.stored_json import sha256_bytes
from xtr_assets.storage.warehouse import Warehouse

KindOf = Callable[[Warehouse, PartConfig], VectorKind]


@dataclass(frozen=True)
class NextMove:
    """due : whether to publish what the parts serve. states : that, by part. asked : what all of it together is asked.
    serving : whether it serves already.

    since : by part, since when (seconds since the epoch) changed shards of it are waited for.
    """

    due: bool
    reason: str
    states: Mapping[str, PartState] = field(default_factory=dict)
    asked: str = ""
    serving: bool = False
    since: Mapping[str, float] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """32 hex digits that name what would serve, and what it is asked."""
        named = {part: state.manifest_sha256 for part, state in self.states.items()}
        return version_of(named) if not self.asked else sha256_bytes(f"{version_of(named)} {self.asked}".encode())[:32]


def version_of(named: Mapping[str, str]) -> str:
    """32 hex digits that name what a move names: sha256 of a manifest by part."""
    return sha256_bytes(repr(sorted(named.items())).encode())[:32]


def next_move(
    opened: PartSet,
    plan: PartPlan,
    kind_of: KindOf,
    *,
    now: float,
    since: Mapping[str, float] | None = None,
    again: bool = False,
    checks: Sequence[SetCheck] = (),
) -> NextMove:
    """A move is due when each part serves what its shards hold, and not all of that serves yet: a change of several
    parts is seen at once, or, where one of them is refused, not at all. It is due too where what serves was not asked
    what all parts together are asked now (`checks`). What a rollback of the set took back waits for
    somebody's word (`again`). Sources are looked at only where something would move.
    """
    parts: dict[str, Generation] = {}
    for part in opened.info.parts:
        try:
            published = opened.warehouse(part).published
        except StorageError as error:
            return NextMove(False, str(error))
        if part in plan.unused:
            return NextMove(False, _unused(part))
        if published is None:
            return NextMove(False, f"part {part} serves nothing yet")
        parts[part] = published
    states = {part: part_state(one) for part, one in parts.items()}
    # The others are read where something may move alone: sensors look every half minute, and a judged move is 40 kB.
    last, _ = last_move(opened.layout) or (None, "")
    serving = last if last is not None and last.parts == states else None
    unasked = [one.name for one in checks if serving is not None and not one.stands(serving)]
    if serving is not None and not unasked:
        return NextMove(False, f"move {serving.number} serves all of it", states, serving=True)
    if serving is None and not again and (back := _taken_back(opened, states, opened.moves())):
        return NextMove(False, back, states)
    waited: dict[str, float] = {}
    behind = ""
    for part, config in plan.configs.items():
        warehouse = opened.warehouse(part)
        kind = kind_of(warehouse, config)
        found = next_build(warehouse, config, kind, now=now, since=(since or {}).get(part))
        if found.since is not None:
            waited[part] = found.since
        if found.want is None or part not in parts or not found.want.made(parts[part]):
            behind = behind or f"part {part} does not serve what its shards hold: {found.decision.reason}"
    if behind:
        return NextMove(False, behind, states, serving=serving is not None, since=waited)
    before = {} if last is None else last.parts
    changed = [part for part, state in states.items() if before.get(part) != state]
    gone = [f"{part} is no part any more" for part in before if part not in states]
    new = [f"parts {', '.join(changed)} serve something new"] * bool(changed) + gone
    if serving is not None:
        new = [f"move {serving.number} was not asked {', '.join(unasked)} by what is set now"]
    asked = repr([(one.name, one.evidence, one.threshold) for one in checks]) if checks else ""
    return NextMove(True, "; ".join(new), states, asked, since=waited)


def _taken_back(opened: PartSet, states: Mapping[str, PartState], moves: list[PartMove]) -> str:
    for part, by in taken_off(lambda part: opened.warehouse(part).layout, states, moves).items():
        return (
            f"a rollback of the set took generation {states[part].generation} of part {part} back ({by}); it serves "
            "again when a person says so (`xtr-assets parts publish --again REASON`; in Dagster: `publish` with "
            "`again`), or something newer does"
        )
    return ""


def _unused(part: str) -> str:
    return (
        f"part {part} has no shard of the configuration any more; `xtr-assets parts remove` (in Dagster: "
        "`remove_part`) takes it out of the set, and `xtr-assets parts publish --force REASON` (in Dagster: `publish` "
        "with `force`) publishes without it"
    )
