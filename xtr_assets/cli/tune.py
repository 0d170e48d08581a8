"""`tune`: the cheapest search profiles that reach the recall goal."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from xtr_assets.cli.app import UPKEEP, ConfigOption, JsonOption, WarehouseOption, app
from xtr_assets.cli.console import console, emit, pairs, say, table
from xtr_assets.cli.locate import find_place, open_warehouse
from xtr_assets.core.errors import ConfigError

if TYPE_CHECKING:
    from xtr_assets.pipeline.derive.profile_proposal import Proposal
    from xtr_assets.storage.generation import Generation


@app.command(rich_help_panel=UPKEEP)
def tune(
    apply: Annotated[bool, typer.Option("--apply", help="Build and publish a generation with what is found.")] = False,
    config: ConfigOption = None,
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the cheapest search profiles that reach the recall goal, and what they find on the gate's own queries.

    A draft that the gate refused since is tuned rather than what serves. Nothing changes without --apply, which builds
    a generation with them: gated and published like any other.
    """
    from xtr_assets.config import RecallConfig
    from xtr_assets.pipeline.derive.profile_proposal import propose, tunable

    place = find_place(config, warehouse)
    if apply:
        if place.config is None:
            raise ConfigError("--apply builds a generation, which needs the index's config; name it by --config")
        from xtr_assets.cli.build_run import finish, run_here
        from xtr_assets.defs import in_process

        finish(run_here(config, in_process.tune, quiet=as_json), as_json)
        return
    tuned = tunable(open_warehouse(place))
    proposals = propose(tuned, RecallConfig() if place.config is None else place.config.recall)
    if as_json:
        found = {name: one.document() for name, one in proposals.items()}
        emit({"generation": tuned.number, "state": tuned.state, **found})
    else:
        _show(tuned, proposals)


def _show(generation: "Generation", proposals: "dict[str, Proposal]") -> None:
    from rich.markup import escape

    from xtr_assets.storage.refusal import sentence

    for record in generation.check_results() if not generation.sealed else ():
        if not record.passed:
            say(f"draft {generation.number} was refused: {record.name}: {escape(sentence(record))}")
    rows = []
    for name, one in proposals.items():
        for what, profile, report in (("now", one.now, one.before), ("found", one.found, one.after)):
            bound = f"{report.mean:.3f} ({report.lower_bound:.3f})"
            rows.append((name, what, _settings(profile) or "scans all rows", bound))
    queries = next(iter(proposals.values())).after.queries
    say(f"generation {generation.number}, recall and its lower bound on {queries} gate queries")
    console().print(table(None, ("index", "profile", "settings", "recall"), rows))
    for name, one in proposals.items():
        if not one.met:
            say(f"[yellow]{name}: nothing tried reaches {one.goal:.3f}[/yellow]; `xtr-assets build --full` trains anew")
    if any(_settings(one.now) != _settings(one.found) for one in proposals.values()):
        say("`xtr-assets tune --apply` builds a generation with what was found; it is checked and published like any")
    elif not generation.sealed:
        say("the draft has these settings already: what refused it lies elsewhere, or more is asked than they find")


def _settings(profile: dict[str, Any]) -> str:
    return pairs({name: profile[name] for name in ("nprobe", "ef_search", "k_prime", "rescore") if profile.get(name)})
