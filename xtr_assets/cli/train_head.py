"""`train-head`: a head for late interaction, trained on pairs that a corpus holds anyway."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xtr_assets.cli.app import UPKEEP, ConfigOption, JsonOption, app
from xtr_assets.cli.console import emit, literal, say
from xtr_assets.cli.orderly_end import orderly_end

if TYPE_CHECKING:
    from xtr_assets.pipeline.heads.head_card import HeadCard


@app.command("train-head", rich_help_panel=UPKEEP)
def train_head(
    out: Annotated[Path, typer.Argument(help="Folder for the head and its card.", show_default=False)],
    packages: Annotated[
        list[Path] | None,
        typer.Option("--from", help="A folder, wheel or source archive to mine, in place of the config's sources."),
    ] = None,
    judged: Annotated[
        list[Path] | None, typer.Option("--judged", help="A BEIR folder to measure it on; no pair comes from it.")
    ] = None,
    apart: Annotated[
        list[Path] | None, typer.Option("--apart", help="A folder of code or text that no pair may be a copy of.")
    ] = None,
    pairs: Annotated[int, typer.Option(help="The most pairs to train on.", min=1)] = 30_000,
    seeds: Annotated[int, typer.Option(help="Trainings, of which the best is kept.", min=1, max=10)] = 1,
    epochs: Annotated[int, typer.Option(help="Passes over the pairs.", min=1, max=50)] = 1,
    dim: Annotated[int, typer.Option(help="Dimensions of a token embedding.", min=8, max=1024)] = 48,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:<n>, for encoding the pairs.")] = "auto",
    any_licence: Annotated[
        bool, typer.Option("--any-licence", help="Take archives whatever their licence, for a head that stays here.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a head that turns token states into token embeddings, and say what it finds.

    Docstrings ask for their functions, headings for their sections. A head that is surely worse on anything it is
    measured on than the one there is, is not written. `encoder: {head: FOLDER}` in xtr.yaml builds with it.
    """
    from xtr_assets.config import discover_config
    from xtr_assets.encoders.head_trainer import TrainingRecipe
    from xtr_assets.pipeline.heads.head_run import HeadPlan, make_head, refuse_unwritable
    from xtr_assets.telemetry.progress import silence

    known = discover_config(config)
    plan = HeadPlan(
        sources=() if packages else known.sources,
        packages=tuple(packages or ()),
        judged=tuple(judged or ()),
        apart=tuple(apart or ()),
        pairs=pairs,
        seeds=tuple(range(seeds)),
        recipe=TrainingRecipe(dim=dim, epochs=epochs),
        encoder=known.encoder,
        device=device,
        any_licence=any_licence,
    )
    refuse_unwritable(out)
    with orderly_end(), silence() if as_json else nullcontext():
        made = make_head(plan)
    made.write(out)
    if as_json:
        emit({"folder": str(out), "card": made.card.document()})
    else:
        _show(out, made.card)


def _show(out: Path, card: "HeadCard") -> None:
    from xtr_assets.cli.console import console, table
    from xtr_assets.pipeline.heads.leg_sum import SUMMED

    rows = []
    for one in card.sets[str(card.chosen)]:
        for where, behind, gained in (("alone", "", "gain_over_now"), ("in the sum", SUMMED, "gain_in_the_sum")):
            means = [f"{one['ndcg@10'][name]['mean']:.3f}" for name in ("dense", f"now{behind}", f"trained{behind}")]
            gain = one[gained]
            interval = f"{gain['mean']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}]"
            rows.append((one["set"], where, *means, interval))
    console().print(table("nDCG@10", ("set", "late interaction", "dense", "head now", "trained", "gain"), rows))
    say(f"{sum(card.pairs.values())} pairs, {card.cpu_seconds:.0f} CPU s; {literal(card.verdict)}")
    where = literal(str(out))
    say(f"head and card are in {where}; `encoder: {{head: {where}}}` in xtr.yaml builds with it")
