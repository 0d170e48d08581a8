"""`status`: what serves, how it is, and how far it is behind its sources."""

from typing import TYPE_CHECKING, Any

from xtr_assets.cli.app import SEARCH, ConfigOption, JsonOption, WarehouseOption, app
from xtr_assets.cli.console import console, emit, literal, note, pairs, say, size, table
from xtr_assets.cli.documents import bytes_document, check_document, shard_document
from xtr_assets.cli.locate import find_place, open_warehouse, part_configs, part_set
from xtr_assets.cli.parts import show_parts
from xtr_assets.cli.staleness import Behind, behind
from xtr_assets.core.suffix_counts import told_suffixes

if TYPE_CHECKING:
    from xtr_assets.cli.locate import Place
    from xtr_assets.storage.generation import Generation
    from xtr_assets.storage.warehouse import Warehouse


# People see so many files in quarantine, and how many there are; --json has them all.
SHOWN_QUARANTINE = 10
# And of suffixes that no source reads: a large tree has hundreds.
SHOWN_SUFFIXES = 12


@app.command(rich_help_panel=SEARCH)
def status(config: ConfigOption = None, warehouse: WarehouseOption = None, as_json: JsonOption = False) -> None:
    """The published generation: rows, sizes, checks, quarantine, and which shards are behind their source. Of an index
    of parts: what serves together, and each part."""
    place = find_place(config, warehouse)
    if (parts := part_set(place)) is not None:
        show_parts(parts, part_configs(place), as_json)
        return
    document = status_document(place, open_warehouse(place))
    if as_json:
        emit(document)
    else:
        show_status(document)


def status_document(place: "Place", warehouse: "Warehouse") -> dict[str, Any]:
    """What `status --json` prints. `generation` is null before the first one is published."""
    from xtr_assets.pipeline.ingest.intake import intake_of
    from xtr_assets.storage.unnoted_move import unnoted_move

    published, draft = warehouse.published, warehouse.newest_draft()
    unnoted = unnoted_move(warehouse.layout)
    document: dict[str, Any] = {
        "generation": None,
        "state": "unpublished",
        "warehouse": str(place.warehouse),
        "draft": None if draft is None else draft.number,
        "unnoted_move": None if unnoted is None else str(unnoted),
        "serves": _serves(published),
        **intake_of(warehouse, place.config, None if published is None else published.snapshots()).document(),
    }
    return document if published is None else {**document, **_generation(place, warehouse, published)}


def _serves(published: "Generation | None") -> dict[str, Any]:
    """Per index the device that it takes on this machine, why, and what computes there; of what serves the indexes that
    it has."""
    from xtr_assets.core.types import SPACE_OF
    from xtr_assets.index.machine import serves

    dense = {} if published is None else published.manifest.recipe.get("dense") or {}
    found = serves(dense.get("recipe"))
    absent = [] if published is None else [space for leg, space in SPACE_OF.items() if leg not in published.legs]
    return {index: about for index, about in found.items() if index not in absent}


def _generation(place: "Place", warehouse: "Warehouse", generation: "Generation") -> dict[str, Any]:
    manifest = generation.manifest
    snapshots = generation.snapshots()
    late = {} if place.config is None else behind(place.config, warehouse, snapshots)
    rows = sum(segment.rows for segment in manifest.segments)
    return {
        "generation": generation.number,
        "state": generation.state,
        "name": None if place.config is None else place.config.name,
        "parent": manifest.parent,
        "created_at": manifest.created_at,
        "rows": rows,
        "live_rows": manifest.live_rows,
        "dead_share": round(1 - manifest.live_rows / rows, 4) if rows else 0.0,
        "segments": len(manifest.segments),
        "bytes": bytes_document(generation),
        "encoder": manifest.encoder.model_dump(mode="json"),
        "recipe": manifest.recipe,
        "profile": manifest.profile,
        "checks": [check_document(check) for check in generation.check_results()],
        "forced": generation.forced,
        "shards": [shard_document(s, snapshots[s], late.get(s)) for s in sorted(snapshots)]
        + [_unbuilt(s, late[s]) for s in sorted(late.keys() - snapshots.keys())],
    }


def _unbuilt(shard: str, late: Behind) -> dict[str, Any]:
    """A shard of the sources that no generation holds yet."""
    counts = {"data_version": None, "live_rows": 0, "segments": 0, "files": 0, "quarantined": 0}
    return {"shard": shard, **counts, "behind": late.document()}


def show_status(document: dict[str, Any]) -> None:
    """The document as tables."""
    if document["unnoted_move"] is not None:
        note(document["unnoted_move"])
    if document["generation"] is None:
        draft = f"; draft {document['draft']} is open" if document["draft"] else ""
        where = literal(document["warehouse"])
        say(f"nothing is published in {where} yet{draft}; `xtr-assets build` makes and publishes one")
        console().print(table("this machine", ("", ""), _machine_facts(document["serves"])))
        _show_intake(document)
        return
    out = console()
    facts = [
        ("generation", f"{document['generation']} ({document['state']}), made {document['created_at']}"),
        ("rows", f"{document['live_rows']:,} live of {document['rows']:,} in {document['segments']} segments"),
        ("encoder", document["encoder"]["name"]),
        ("bytes", ", ".join(f"{kind} {size(count)}" for kind, count in document["bytes"].items())),
        *((f"recipe: {index}", _flat(recipe)) for index, recipe in document["recipe"].items()),
        *((f"profile: {index}", _profile(profile)) for index, profile in document["profile"].items()),
    ]
    facts += _machine_facts(document["serves"])
    if document["forced"]:
        facts.append(("forced", document["forced"]))
    out.print(table(str(document["warehouse"]), ("", ""), facts))
    checks = [
        (check["name"], "passed" if check["passed"] else "FAILED", _number(check["value"]), _threshold(check))
        for check in document["checks"]
    ]
    out.print(table("checks", ("check", "verdict", "value", "threshold"), checks, right=("value", "threshold")))
    shards = [
        (
            shard["shard"],
            f"{shard['live_rows']:,}",
            f"{shard['files']:,}",
            "source unknown here" if shard["behind"] is None else str(Behind(**shard["behind"])),
        )
        for shard in document["shards"]
    ]
    out.print(
        table("shards", ("shard", "live rows", "files", "behind its source"), shards, right=("live rows", "files"))
    )
    _show_intake(document)


def _machine_facts(serves: dict[str, Any]) -> list[tuple[str, str]]:
    """Lines of what serves here: the device and why, FAISS, the backends of the other indexes."""
    lines = []
    for index, about in serves.items():
        place = about["error"] if about["device"] is None else f"{about['device']}: {about['reason']}"
        lines.append((f"device: {index}", place))
    if "faiss" in serves.get("dense", {}):
        faiss = serves["dense"]["faiss"]
        lines.append(("FAISS", f"{faiss['distribution']} {faiss['version']} ({faiss['compile_options']})"))
        lines.append(("codes read by", serves["dense"]["codes_read_by"]))
    words = serves["lexical"]
    slow = f" without {words['without_extension']}" if words["without_extension"] else ""
    lines.append(("backend: lexical", f"{words['backend']}{slow}"))
    if (tokens := serves.get("xtr")) is not None:
        kernels, lacking = tokens["instructions"], tokens["without_extension"]
        lines.append(("backend: xtr", f"{tokens['backend']} " + (f"({kernels})" if kernels else f"without {lacking}")))
    return lines


def _show_intake(document: dict[str, Any]) -> None:
    """What the sources hold that is not, or no longer, in the index."""
    if document["quarantine"]:
        _show_quarantine(document["quarantine"])
    if document["stale"]:
        rows = [(f"{one['shard']}: {one['path']}", one["since"], one["reason"]) for one in document["stale"]]
        title = f"stale: {len(rows)} files could not be read, what was indexed of them stays"
        console().print(table(title, ("place", "since", "reason"), rows[:SHOWN_QUARANTINE]))
    if document["skipped"]:
        more = "; all of them: `xtr-assets status --json`" if len(document["skipped"]) > SHOWN_SUFFIXES else ""
        note(f"skipped: no source reads {told_suffixes(document['skipped'], SHOWN_SUFFIXES)}{more}")


def _show_quarantine(entries: list[dict[str, Any]]) -> None:
    rows = [
        (f"{entry['path']}:{entry['line']}" if entry["line"] else entry["path"], entry["reason"], entry["detail"])
        for entry in entries[:SHOWN_QUARANTINE]
    ]
    title = f"quarantine: {len(entries)} files or records could not be used"
    console().print(table(title, ("place", "reason", "detail"), rows))
    if len(entries) > SHOWN_QUARANTINE:
        say(f"... and {len(entries) - SHOWN_QUARANTINE} more: xtr-assets status --json")


def _flat(value: Any) -> str:
    return (
        pairs({k: v for k, v in value.items() if not isinstance(v, dict | list)})
        if isinstance(value, dict)
        else str(value)
    )


def _profile(profile: Any) -> str:
    """Settings of a search; an index that scores every row has met no goal, because nothing was tuned."""
    if isinstance(profile, dict) and profile.get("goal") == 0:
        kept = {name: value for name, value in profile.items() if name not in ("goal", "recall")}
        return ", ".join(part for part in (_flat(kept), "nothing to tune: every row is scored") if part)
    return _flat(profile)


def _threshold(check: dict[str, Any]) -> str:
    """What is asked, and that it is less than by default."""
    lowered = f" (lowered from {_number(check['default_threshold'])})" if check.get("lowered") else ""
    return f"{_number(check['threshold'])}{lowered}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
