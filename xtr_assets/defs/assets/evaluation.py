"""`evaluation`: what the legs of the serving generation make of judged queries. It blocks nothing."""

import dagster as dg

from xtr_assets.defs.context import Site
from xtr_assets.defs.leg_plots import legs_picture
from xtr_assets.defs.metadata import table
from xtr_assets.pipeline.gate.registry import has_judgments
from xtr_assets.pipeline.quality import document_bm25
from xtr_assets.pipeline.quality.evaluation import MAIN, MEASURES, Evaluation, Move, evaluate
from xtr_assets.pipeline.quality.judged_queries import drawn_items, missing_documents, read_judged
from xtr_assets.search.searcher import Searcher

LEG = "hybrid"
# Wins and losses shown of each: what a person reads in a minute.
SHOWN_MOVES = 10
DIGITS = 4

Result = dg.MaterializeResult[None]


def evaluation_asset(site: Site) -> dg.AssetsDefinition:
    """`evaluation`: quality of what serves, by its judged queries, or by items drawn where nobody judged."""

    @site.asset(
        "evaluation",
        {"numpy"},
        "nDCG@10, MRR@10, recall and success of each mode and of BM25 over judged queries, with intervals; without "
        "judgments over known items drawn from the corpus, which are synthetic.",
        deps=["published"],
    )
    def evaluation(context: dg.AssetExecutionContext) -> Result:
        queries = site.config.queries
        with Searcher(site.warehouse(context), "cpu") as searcher:
            if queries is not None and has_judgments(site.config):
                judged = read_judged(queries)
            else:
                with searcher.opened() as opened:
                    judged = drawn_items(opened.generation)
            with searcher.opened() as opened:
                missing = missing_documents(judged, opened.generation)
            found = evaluate(searcher, judged, baseline=document_bm25.available())
            number = searcher.generation
        return dg.MaterializeResult(
            metadata={
                "legs": legs_picture({leg: one.interval(MAIN) for leg, one in found.legs.items()}, MAIN),
                "generation": number,
                "queries": len(found.queries),
                "right_answers_missing": len(missing),
                "judged": "synthetic: drawn from the corpus" if judged.synthetic else judged.origin,
                **{f"{leg} {MAIN}": float(one.values[MAIN].mean()) for leg, one in found.legs.items()},
                **tables(found),
            }
        )

    return evaluation


def tables(found: Evaluation) -> dict[str, dg.TableMetadataValue]:
    """Measures by leg, hybrid against each other leg, and the queries it wins and loses most."""
    measures = [
        {"leg": leg, **{name: round(float(one.values[name].mean()), DIGITS) for name in MEASURES}}
        for leg, one in found.legs.items()
    ]
    compared = [
        {
            "hybrid against": one.other,
            "difference": round(one.difference.mean, DIGITS),
            "from": round(one.difference.low, DIGITS),
            "to": round(one.difference.high, DIGITS),
            "p (Holm)": round(one.holm, DIGITS),
            "wins": one.wins,
            "losses": one.losses,
        }
        for one in found.compared(LEG)
    ]
    rival = found.best_other(LEG)
    wins, losses = ([], []) if rival is None else found.moves(LEG, rival, SHOWN_MOVES)
    return {
        "measures": table(measures),
        "comparisons": table(compared),
        "wins": table([_row(move) for move in wins]),
        "losses": table([_row(move) for move in losses]),
    }


def _row(move: Move) -> dict[str, object]:
    return {
        "query": move.text,
        "hybrid": round(move.of_leg, DIGITS),
        "other": round(move.of_other, DIGITS),
        "right": ", ".join(move.right),
        "hybrid found": ", ".join(move.leg_top),
        "the other found": ", ".join(move.other_top),
    }
