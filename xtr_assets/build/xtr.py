"""The token index of a draft: postings of new segments against shared centroids; those of old segments are reused."""

from dataclasses import dataclass
from typing import Any

from xtr_assets.core.rows import RowTokens
from xtr_assets.index.xtr.model import TokenModel
from xtr_assets.index.xtr.postings import write_postings
from xtr_assets.index.xtr.training import train
from xtr_assets.search.opening import TOKEN_FILE, TokenIndexFile
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.generations import Generation
from xtr_assets.storage.warehouse import Warehouse

# Centroids are trained anew when the corpus has doubled since: beyond that lists grow long and topics appear that no
# centroid has seen.
GROWTH_LIMIT = 2.0


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
    bytes: int
    sha256: str


def derive_tokens(warehouse: Warehouse, draft: Draft, parent: Generation | None) -> TokenReport:
    """Write xtr/index.json, the postings it names where they are missing, and the model where it is new.

    `parent` is None where nothing can be carried over: no parent, or one of another encoder.
    """
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
    draft.set_recipe("xtr", {"model": folder, "centroids": len(model.centroids), "training": model.training})
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
        bytes=sum(own),
        sha256=draft.manifest.files[draft.file_name(TOKEN_FILE)].sha256,
    )


def _model(warehouse: Warehouse, tokens: RowTokens, parent: Generation | None) -> tuple[TokenModel, str, str, str]:
    """(model, its folder in the warehouse, how, reason): the parent's, or one trained on this draft."""
    reason = "there is no parent to take centroids from"
    if parent is not None and parent.has_file(TOKEN_FILE):
        folder = TokenIndexFile.from_bytes(parent.path(TOKEN_FILE).read_bytes()).model
        model = TokenModel.load(warehouse.layout.resolve(folder))
        trained = int(model.training.get("tokens", 0))
        if tokens.token_count <= GROWTH_LIMIT * trained:
            return model, folder, "evolved", f"the centroids were trained on {trained} of {tokens.token_count} tokens"
        reason = f"{tokens.token_count} tokens, {trained} when the centroids were trained: more than twice as many"
    model = train(tokens)
    path = warehouse.add_model(model.write, made_by="xtr-assets token model")
    return model, warehouse.layout.relative(path), "trained", reason
