"""The lexical index of a draft: the words of new segments, counted; those of old segments are reused."""

from collections.abc import Iterator
from dataclasses import dataclass

from xtr_assets.core.lexical_terms import TERMS_VERSION, document_terms
from xtr_assets.index.lexical.postings_writer import write_postings
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.search.loaders import LEXICAL_FILE, LexicalIndexFile
from xtr_assets.storage.segment import Segment

# A folder of a segment, named by the version of the rules by which its texts became terms: another release that splits
# them otherwise writes beside it.
LEXICAL_FOLDER = f"lexical.{TERMS_VERSION}"
# What words are taken from.
COLUMNS = ("path", "symbol", "title", "text")


@dataclass(frozen=True, slots=True)
class LexicalReport:
    """What the index is, and how much of it is new.

    terms : different terms, those of several segments in each; mean_length : terms of a live row, repeats and all;
    rows : those whose words were counted now
    """

    terms: int
    mean_length: float
    postings_written: int
    postings_reused: int
    rows: int
    bytes: int
    sha256: str


def derive_lexical(session: DraftSession) -> LexicalReport:
    """Write lexical/index.json, and the postings it names where they are missing.

    Nothing is learnt and nothing is tuned: a draft's postings are its segments', whatever the parent was. A step that
    died is run again; segments whose postings it sealed are not read again.
    """
    warehouse, draft = session.warehouse, session.draft
    written = rows = 0
    for placed in draft.segments:
        # Opened anew: the draft's own view of the segment is held to the files its manifest names so far.
        segment = warehouse.segment(placed.segment.segment_id)
        if not segment.has_folder(LEXICAL_FOLDER):
            # What a dead step left is no part of what is listed.
            segment.drop_staging(LEXICAL_FOLDER)
            write_postings(segment.staging(LEXICAL_FOLDER), terms_of(placed.segment))
            segment.seal_folder(LEXICAL_FOLDER, made_by=f"terms {TERMS_VERSION}")
            written, rows = written + 1, rows + segment.rows
    names = [placed.segment.segment_id for placed in draft.segments]
    draft.use_folders([f"segments/{name}/{LEXICAL_FOLDER}" for name in names])
    with draft.writing(LEXICAL_FILE) as path:
        described = LexicalIndexFile(terms=TERMS_VERSION, postings=dict.fromkeys(names, LEXICAL_FOLDER))
        path.write_bytes(described.to_bytes())
    index = session.lexical()
    draft.set_recipe("lexical", {"terms": TERMS_VERSION, "k1": index.k1, "b": index.b})
    sizes = [one.bytes for name, one in draft.manifest.files.items() if f"/{LEXICAL_FOLDER}/" in name]
    return LexicalReport(
        terms=sum(part.postings.term_count for part in index.parts),
        mean_length=index.mean_length,
        postings_written=written,
        postings_reused=len(names) - written,
        rows=rows,
        bytes=sum(sizes),
        sha256=draft.manifest.files[draft.file_name(LEXICAL_FILE)].sha256,
    )


def terms_of(segment: Segment) -> Iterator[list[str]]:
    """The terms of each row of a segment, in row order."""
    for batch in segment.chunks().select(list(COLUMNS)).to_batches():
        for path, symbol, title, text in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            yield document_terms(path, symbol, title, text)
