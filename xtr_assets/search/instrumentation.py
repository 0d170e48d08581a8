"""Instrumentation of index searches: histograms, figures of the last call, and spans where tracing is on."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xtr_assets.index.machine import instructions
from xtr_assets.telemetry import metrics, tracing
from xtr_assets.telemetry.open_indexes import Shown

if TYPE_CHECKING:
    from xtr_assets.index.dense.refinement import DenseResult
    from xtr_assets.index.late.index import TokenResult
    from xtr_assets.search.lexical_space import LexicalSpace
    from xtr_assets.search.retrievers import DenseSpace, TokenSpace

# Children of the histogram by label, made once: looking a label up costs as much as observing.
_XTR = {phase: metrics.XTR_PHASE_SECONDS.labels(phase) for phase in ("retrieve", "impute", "rescore")}


def observe_dense(result: "DenseResult", span: tracing.Span) -> None:
    """Count one call of the dense index, in one histogram: each more would be 0.3 % of a small search."""
    metrics.DENSE_SECONDS.observe(result.plan_seconds + result.search_seconds + result.rerank_seconds)
    if span is not tracing.SILENT:
        plan = result.plan
        span.set(mode=plan.mode, nprobe=plan.nprobe, ef_search=plan.ef_search, candidates=plan.candidates)
        seconds = {"plan": result.plan_seconds, "search": result.search_seconds, "rerank": result.rerank_seconds}
        tracing.phases({f"dense.{phase}": taken for phase, taken in seconds.items()}, device=plan.device)


def observe_tokens(results: "Sequence[TokenResult]", span: tracing.Span, **about: tracing.Attribute) -> None:
    """Count queries that the token index answered; `about` goes onto the spans of their phases."""
    totals = dict.fromkeys(_XTR, 0.0)
    for result in results:
        for phase, taken in result.seconds.items():
            _XTR[phase].observe(taken)
            totals[phase] += taken
        metrics.XTR_CANDIDATES.observe(result.candidates)
        metrics.XTR_RESCORED.observe(result.rescored)
        metrics.XTR_IMPUTED_SHARE.observe(result.imputed_share)
    if span is not tracing.SILENT:
        counts = {
            "candidates": sum(result.candidates for result in results),
            "rescored": sum(result.rescored for result in results),
            "retrieved": sum(result.retrieved for result in results),
        }
        imputed = sum(result.imputed_share for result in results) / max(1, len(results))
        span.set(**counts, scanned=any(result.scanned for result in results), imputed_share=imputed)
        tracing.phases({f"xtr.{phase}": taken for phase, taken in totals.items() if taken}, **about, **counts)


def show_dense(space: "DenseSpace | None") -> Shown | None:
    """What metrics.OPEN_INDEXES shows of a dense index; what re-ranking kept is counted here, when somebody asks."""
    if space is None:
        return None
    about, result = space.index.describe(), space.last
    faiss, held = about["faiss"], {**about, "gpu": about["device"] != "cpu"}
    info = {
        "recipe": about["recipe"],
        "device": about["device"],
        "device_reason": about["device_reason"],
        "faiss": f"{faiss['distribution']} {faiss['version']}",
        "compile_options": faiss["compile_options"],
    }
    if result is None:
        return Shown(info, held, {})
    plan, asked = result.plan, result.found is not None
    last = {
        "seconds": result.plan_seconds + result.search_seconds + result.rerank_seconds,
        "k": plan.k,
        "queries": len(result.rows),
        "nprobe": plan.nprobe if asked else 0,
        "ef_search": plan.ef_search if asked else 0,
        "candidates": plan.candidates if asked else plan.available,
    }
    if asked:
        last |= {"kept": result.kept, "rescored": plan.candidates if plan.rescored else 0}
    return Shown(info, held, last)


def show_tokens(space: "TokenSpace | None") -> Shown | None:
    """What metrics.OPEN_INDEXES shows of a token index; of the last call the means over its queries."""
    if space is None:
        return None
    about, results = space.index.describe(), space.last
    there = about["on_device"] or {"bytes": 0, "holds": ""}
    held = {**about, "dim": space.index.dim, "gpu": about["device"] != "cpu", "device_bytes": there["bytes"]}
    info = {
        "model": space.index.model.fingerprint8,
        "backend": about["backend"],
        "instructions": instructions(about["backend"]) or "",
        "device": about["device"],
        "device_reason": about["device_reason"],
        "device_holds": there["holds"],
    }
    if not results:
        return Shown(info, held, {})
    last = {
        "seconds": sum(sum(result.seconds.values()) for result in results),
        "k": len(results[0].rows),
        "queries": len(results),
        "candidates": sum(result.candidates for result in results) / len(results),
        "rescored": sum(result.rescored for result in results) / len(results),
        "imputed_share": sum(result.imputed_share for result in results) / len(results),
    }
    return Shown(info, held, last)


def show_lexical(space: "LexicalSpace | None") -> Shown | None:
    """What metrics.OPEN_INDEXES shows of a lexical index; of the last call the candidates of a query, on average."""
    if space is None:
        return None
    about, last = space.index.describe(), space.last
    info = {"backend": str(about["backend"]), "device": "cpu"}
    if last is None:
        return Shown(info, about, {})
    per_query = last.candidates / max(1, last.queries)
    shown = {"seconds": last.seconds, "k": last.k, "queries": last.queries, "candidates": per_query}
    return Shown(info, about, shown)
