"""`health`: one line and an exit code for a monitor."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xtr_assets.cli.app import FAILED, SEARCH, ConfigOption, JsonOption, WarehouseOption, app, error_line
from xtr_assets.cli.console import emit, note, one_line
from xtr_assets.cli.locate import Place, find_place, open_warehouse, part_configs, part_set
from xtr_assets.core.errors import XtrAssetsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xtr_assets.config import IndexConfig
    from xtr_assets.storage.generation import Generation
    from xtr_assets.storage.parts.part_set import PartSet
    from xtr_assets.storage.warehouse import Warehouse

# Clocks of two hosts may differ by so much before a generation counts as one of the future.
SKEW_SECONDS = 300
# Damaged files that are named; their number is always said.
SHOWN_FILES = 3


@app.command(rich_help_panel=SEARCH)
def health(
    max_age: Annotated[
        float | None,
        typer.Option(help="Hours: older than this while a source has changed is a problem.", min=0, show_default=False),
    ] = None,
    config: ConfigOption = None,
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """One line for a monitor, and exit code 1 where something is wrong: pointer, file sizes, verdicts, staleness."""
    place = find_place(config, warehouse)
    parts = part_set(place)
    document = health_document(place, max_age) if parts is None else set_document(parts, part_configs(place), max_age)
    if as_json:
        emit(document)
    else:
        note(one_line(health_line(document) if parts is None else set_line(document)))
    if not document["ok"]:
        raise typer.Exit(FAILED)


def health_document(place: Place, max_age: float | None = None) -> dict[str, Any]:
    """What `health --json` prints. What cannot be looked at is a problem, and null where it is shown."""
    document: dict[str, Any] = {
        "ok": False,
        "warehouse": str(place.warehouse),
        "generation": None,
        "created_at": None,
        "age_hours": None,
        "live_rows": None,
        "forced": None,
        "files": None,
        "checks": None,
        "behind": None,
        "stale": [],
        "problems": [],
    }
    problems: list[str] = document["problems"]
    try:
        opened = open_warehouse(place)
        document |= _files(opened, problems)
        published = opened.published
        if published is None:
            problems.append("nothing is published; `xtr-assets build` publishes a generation that passes its checks")
        else:
            document |= _generation(published, problems) | _staleness(place, opened, published, max_age, problems)
            document["stale"] = _stale(opened, published, max_age, problems)
    except (XtrAssetsError, OSError) as error:
        problems.append(error_line(error))
    document["ok"] = not problems
    return document


def set_document(opened: "PartSet", configs: "Mapping[str, IndexConfig]", max_age: float | None) -> dict[str, Any]:
    """What `health --json` prints of an index of parts: each part as an index of its own, and the last move."""
    parts = {
        part: health_document(Place(opened.layout.part(part), configs.get(part)), max_age) for part in opened.info.parts
    }
    problems = [f"part {part}: {one}" for part, found in parts.items() for one in found["problems"]]
    served = None
    try:
        opened.moves()  # each one held against the one before
        served = opened.published
        if served is None:
            problems.append("nothing is published together; `xtr-assets build` or `parts publish` moves the set")
        elif served.state == "withdrawn":
            problems.append(f"{served.move} serves a generation that its part withdrew; `xtr-assets parts rollback`")
    except (XtrAssetsError, OSError) as error:
        problems.append(error_line(error))
    move, rows = (None, None) if served is None else (served.number, served.live_rows)
    return {"ok": not problems, "move": move, "live_rows": rows, "parts": parts, "problems": problems}


def set_line(document: dict[str, Any]) -> str:
    """That as one line."""
    if document["problems"]:
        return "unhealthy: " + " | ".join(document["problems"])
    return f"healthy: move {document['move']}, {document['live_rows']:,} rows in {len(document['parts'])} parts"


def _files(warehouse: "Warehouse", problems: list[str]) -> dict[str, Any]:
    """Pointer, history, and the size of every file: what no search would notice before it meets it."""
    report = warehouse.verify(full=False)
    if report.problems:
        named = "; ".join(
            f"{one.path}: expected {one.expected}, found {one.found}" for one in report.problems[:SHOWN_FILES]
        )
        problems.append(f"{len(report.problems)} of the warehouse's files differ ({named}); run `xtr-assets verify`")
    return {"files": {"looked_at": report.files, "differ": [one.path for one in report.problems]}}


def _generation(published: "Generation", problems: list[str]) -> dict[str, Any]:
    from xtr_assets.storage.requirement import unmet

    manifest = published.manifest
    age = (datetime.now(UTC) - datetime.fromisoformat(manifest.created_at)).total_seconds()
    if age < -SKEW_SECONDS:
        problems.append(f"generation {published.number} was made at {manifest.created_at}, which is yet to come")
    # Held against its bytes anew: a verdict that was edited, or is about other files, is none. Early releases noted no
    # demand: what they published passed their gate, and here nothing without a demand is published but by force.
    lacking = unmet(manifest, manifest.required) if manifest.gated else []
    failed = [f"{one.name} {one.problem}".strip() for one in lacking]
    if failed and published.forced is None:
        problems.append(f"generation {published.number} serves without what it must have passed: {'; '.join(failed)}")
    return {
        "generation": published.number,
        "created_at": manifest.created_at,
        "age_hours": round(age / 3600, 2),
        "live_rows": published.live_rows,
        "forced": published.forced,
        "checks": {
            "passed": sum(one.passed for one in published.check_results()),
            "failed": [one.name for one in published.check_results() if not one.passed],
            "unmet": failed,
        },
    }


def _staleness(
    place: Place, warehouse: "Warehouse", published: "Generation", max_age: float | None, problems: list[str]
) -> dict[str, Any]:
    """By shard what differs from its source; null where no config says what the sources are."""
    if place.config is None:
        if max_age is not None:
            problems.append("--max-age asks how far the sources are ahead, and no config names them; give --config")
        return {}
    from xtr_assets.cli.staleness import behind

    late = behind(place.config, warehouse, published.snapshots())
    problems += [f"source of {shard}: {one.error}" for shard, one in sorted(late.items()) if one.error]
    changed = sorted(shard for shard, one in late.items() if any(one.document().values()))
    age = _hours_since(published.manifest.created_at)
    if max_age is not None and changed and age > max_age:
        problems.append(f"{', '.join(changed)} changed, and what serves is {age:.1f} h old (at most {max_age:g})")
    return {"behind": {shard: late[shard].document() for shard in changed}}


def _stale(
    warehouse: "Warehouse", published: "Generation", max_age: float | None, problems: list[str]
) -> list[dict[str, Any]]:
    """Files that cannot be read, at the last look, and of which something serves: whether they changed is not known."""
    from xtr_assets.core.file_diff import UNREAD_SHA256

    served = published.snapshots()
    now = {shard: warehouse.snapshot(shard) or snapshot for shard, snapshot in sorted(served.items())}
    found = [
        {"shard": shard, **entry.model_dump(exclude={"settings"})}
        for shard, snapshot in now.items()
        for entry in snapshot.stale
        # Of one that could not be read from the first look on nothing serves.
        if snapshot.files[entry.path].sha256 != UNREAD_SHA256
    ]
    late = [one for one in found if max_age is not None and _hours_since(one["since"]) > max_age]
    if late:
        first = min(late, key=lambda one: one["since"])
        problems.append(
            f"{len(late)} files cannot be read ({first['shard']}: {first['path']}, for "
            f"{_hours_since(first['since']):.1f} h, at most {max_age:g}: {first['reason']}); what was indexed of them "
            "stays"
        )
    return found


def _hours_since(moment: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds() / 3600


def health_line(document: dict[str, Any]) -> str:
    """The document as one line."""
    if document["problems"]:
        return "unhealthy: " + " | ".join(document["problems"])
    said = [
        f"generation {document['generation']}",
        f"{document['live_rows']:,} rows",
        f"{document['age_hours']:.1f} h old",
    ]
    if document["forced"] is not None:
        said.append(f"forced ({document['forced']})")
    if document["behind"]:
        said.append(f"behind: {', '.join(document['behind'])}")
    elif document["behind"] is None:
        said.append("sources unknown")
    if document["stale"]:
        said.append(f"cannot be read: {len(document['stale'])} files (`xtr-assets status`)")
    return "healthy: " + ", ".join(said)
