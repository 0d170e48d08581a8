"""The token index of a draft: postings of new segments against shared centroids; those of old segments are reused."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from xtr_assets.core.errors import UnknownFormat
from xtr_assets.core.growth import GROWTH_LIMIT
from xtr_assets.core.row_store import RowTokens
from xtr_assets.index.late.centroids import TokenModel
from xtr_assets.index.late.options import DEAREST_SCAN, PLANNED_SCAN
from xtr_assets.index.late.postings import write_postings
from xtr_assets.index.late.training import train
from xtr_assets.index.late.tuner import TokenTuning
from xtr_assets.pipeline.derive.exact_maxsim import exact_tokens
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.pipeline.plan.index_settings import note_formats
from xtr_assets.pipeline.queries.tuning_queries import (
    TUNING_QUERIES,
    asked_otherwise,
    changed_since_tuned,
    tuning_due,
    tuning_goal,
)
from xtr_assets.search.loaders import TOKEN_FILE, TokenIndexFile
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.warehouse import Warehouse

# What a generation that keeps its profile keeps of the parent's recipe.
TUNING_NOTES = ("profile_reason", "shortfall")


@dataclass(frozen=True, slots=True)
class TokenReport:
    """How the index came about, and what it is."""

    how: str
    reason: str
    model: str
    training: dict[str, Any]
    centroids: int
    tokens: int
    postings_written: int
    postings_reused: int
    tuning: TokenTuning | None
    bytes: int
    sha256: str


def derive_tokens(session: DraftSession, *, tune: bool = False) -> TokenReport:
    """Write xtr/index.json, the postings it names where they are missing, the model where it is new, and the profile.

    Centroids and profile are those of the session's `carried` where there is one; the profile is found anew where
    centroids are new, much changed since, another recall is asked for, or where `tune` asks for it.
    """
    warehouse, draft, parent = session.warehouse, session.draft, session.carried
    tokens = draft.tokens()
    model, folder, how, reason = _model(warehouse, tokens, parent)
    name = f"postings.{folder.rpartition('/')[2]}"
    written = 0
    for placed, part in zip(draft.segments, tokens.parts, strict=False):
        # Opened anew: the draft's own view of the segment is held to the files its manifest names so far.
        segment = warehouse.segment(placed.segment.segment_id)
        if not segment.has_folder(name):
            write_postings(model, part, segment.staging(name))
            segment.seal_folder(name, made_by=model.fingerprint)
            written += 1
    draft.use_folders([folder, *(f"segments/{placed.segment.segment_id}/{name}" for placed in draft.segments)])
    description = TokenIndexFile(model=folder, postings={placed.segment.segment_id: name for placed in draft.segments})
    with draft.writing(TOKEN_FILE) as path:
        path.write_bytes(description.to_bytes())
    changed = 0
    if parent is not None and how == "evolved" and not tune:
        changed = changed_since_tuned(parent, "xtr", session.rows.churn)
    tuning = None
    inherited = None if parent is None else parent.manifest.profile.get("xtr")
    due = tuning_due(changed, draft.live_rows)
    outgrown = parent is not None and inherited is not None and outgrew(inherited, parent.tokens(), tokens)
    other = parent is not None and asked_otherwise(parent, session.config.recall, "xtr")
    if inherited is None or how == "trained" or tune or due or outgrown or other:
        if inherited is not None and how == "evolved":
            draft.set_profile("xtr", inherited)
        # What still reaches the goal stays, where that is the same and nobody asks for a new one.
        tuning = _tune(session, tokens, keep=due and not (outgrown or other))
        changed = 0
    if tuning is not None:
        draft.set_profile("xtr", asdict(tuning.profile))
    elif inherited is not None:
        draft.set_profile("xtr", inherited)
    made = {
        "model": folder,
        "centroids": len(model.centroids),
        "training": model.training,
        "changed_since_tuned": changed,
    }
    draft.set_recipe("xtr", {**made, **_notes(tuning, parent)})
    note_formats(draft, model)
    own = [one.bytes for key, one in draft.manifest.files.items() if f"/{name}/" in key or key.startswith(folder)]
    return TokenReport(
        how=how,
        reason=reason,
        model=folder,
        training=model.training,
        centroids=len(model.centroids),
        tokens=tokens.token_count,
        postings_written=written,
        postings_reused=len(draft.segments) - written,
        tuning=tuning,
        bytes=sum(own),
        sha256=draft.manifest.files[draft.file_name(TOKEN_FILE)].sha256,
    )


def outgrew(profile: Mapping[str, Any], before: RowTokens, now: RowTokens) -> bool:
    """Whether an index that scans because it was small is no longer so small: then lists may be cheaper."""
    sizes = (before.token_count * before.dim, now.token_count * now.dim)
    return bool(profile.get("scan")) and sizes[0] <= PLANNED_SCAN < sizes[1]


def _notes(tuning: TokenTuning | None, parent: Generation | None) -> dict[str, Any]:
    """Why this profile, and where it does not meet the goal the shortfall, for the refusal to repeat; the parent's
    where nothing was tuned."""
    if tuning is None:
        known: Mapping[str, Any] = {} if parent is None else parent.manifest.recipe.get("xtr", {})
        return {name: known[name] for name in TUNING_NOTES if name in known}
    return {"profile_reason": tuning.reason, **({} if tuning.met else {"shortfall": tuning.reason})}


def _tune(session: DraftSession, tokens: RowTokens, *, keep: bool) -> TokenTuning | None:
    """The cheapest profile for the recall goal on the tuning queries; where there is none, a scan or None."""
    asked, draft, recall = session.tuning(), session.draft, session.config.recall
    queries = [] if asked is None else [query for query in asked.tokens if len(query)]
    components = tokens.token_count * tokens.dim
    if not components or (not queries and components > DEAREST_SCAN):
        return None
    goal = tuning_goal(recall.xtr, len(queries), session.judging() or TUNING_QUERIES)
    # A scan by plan is exact and is not tried: it needs no exact neighbours of the tuning queries.
    tried = queries and components > PLANNED_SCAN
    exact = exact_tokens(tokens, draft.live, queries, recall.k) if tried else None
    return session.tokens().tune(queries, exact, goal=goal, k=recall.k, keep=keep)


def _model(warehouse: Warehouse, tokens: RowTokens, parent: Generation | None) -> tuple[TokenModel, str, str, str]:
    """(model, its folder in the warehouse, how, reason): the parent's, or one trained on this draft."""
    reason = "there is no parent to take centroids from"
    if parent is not None and parent.has_file(TOKEN_FILE):
        folder = TokenIndexFile.from_bytes(parent.path(TOKEN_FILE).read_bytes()).model
        try:
            model = TokenModel.load(warehouse.layout.resolve(folder))
        except UnknownFormat as error:
            reason = f"the parent's centroids cannot be used: {error}"
        else:
            trained = int(model.training.get("tokens", 0))
            if tokens.token_count <= GROWTH_LIMIT * trained:
                why = f"the centroids were trained on {trained} of {tokens.token_count} tokens"
                return model, folder, "evolved", why
            reason = f"{tokens.token_count} tokens, {trained} when the centroids were trained: more than twice as many"
    model = train(tokens)
    path = warehouse.add_model(model.write, made_by="xtr-assets token model")
    return model, warehouse.layout.relative(path), "trained", reason
