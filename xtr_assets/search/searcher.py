"""Searcher: questions in, hits out, from one generation at a time."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any, NoReturn

from xtr_assets.config import EncoderConfig
from xtr_assets.core.arguments import batch_of, query_vectors, token_batch
from xtr_assets.core.query_syntax import Syntax, demands
from xtr_assets.core.search_options import Collapse, Fusion, SearchOptions
from xtr_assets.core.types import Floats, Ints
from xtr_assets.index.device import parse_device
from xtr_assets.search.answer import answer, rank_arrays, search_span
from xtr_assets.search.generation_holder import GenerationHolder, all_of_it, nothing
from xtr_assets.search.hit_table import Answer, Hits
from xtr_assets.search.loaders import Place, asked_for, open_any
from xtr_assets.search.open_parts import open_generation
from xtr_assets.search.query_encoder import QueryEncoder
from xtr_assets.search.ranker import Mode
from xtr_assets.search.reader import Indexes, OpenGeneration
from xtr_assets.search.reconstruction import Reconstruction, chunks_by_id, reconstructed
from xtr_assets.search.request import Ask
from xtr_assets.search.retrievers import QueryVectors
from xtr_assets.search.served_profile import apply_settings, profile_of, reset_settings
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.manifest import Manifest
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets.storage.scrub import Verify
from xtr_assets.storage.warehouse import Warehouse

log = logging.getLogger(__name__)


class Searcher(GenerationHolder):
    """Answers from one generation of a warehouse, pinned until `refresh` or `close`.

    Usable from many threads: a search holds the generation it began with to its end, whatever `refresh` does meanwhile.

    Parameters
    ----------
    warehouse : the warehouse, its folder, a set of parts, or an object store ("s3://bucket/prefix")
    device : "auto", "cpu", "cuda" or "cuda:<n>"; what "auto" took is in `devices`, and why in `device_reasons`
    generation : a number, draft or published, or one that is open already; by default the published one
    encoder : where it is found, if not where its default is, or one that is open; it must make the warehouse's vectors
    device_memory : bytes that the token index may hold on a GPU; None: half of what is free when it is opened
    indexes : the dense, the token and the lexical index of just that generation, where somebody has them open already
    verify : how raw arrays are compared with their records at opening, see storage.scrub: "once" a host (behind the
        first searches where they are large), "full" with every other file, or by "sizes"; drafts by sizes
    wait : of a store that answers while all of it comes: whether a question that needs all waits for that, or is told
        so by StillArriving
    """

    def __init__(
        self,
        warehouse: Warehouse | PartSet | str | Path,
        device: str = "auto",
        generation: int | Generation | None = None,
        encoder: EncoderConfig | QueryEncoder | None = None,
        device_memory: int | None = None,
        indexes: Indexes | None = None,
        verify: Verify | None = None,
        wait: bool = True,
    ) -> None:
        self._follows = generation is None
        self._warehouse = warehouse if isinstance(warehouse, Place) else open_any(warehouse, cold=self._follows)
        self._waits = wait
        self._device, self._device_memory, self._verify = device, device_memory, verify
        self._refreshing = Lock()
        chosen = asked_for(self._warehouse, generation)
        self._opened: OpenGeneration | None = open_generation(chosen, device, None, device_memory, indexes, verify)
        self._encoder = QueryEncoder.given(encoder, parse_device(device).first)
        self._note_opened(self._opened)
        self._note_followed(self._opened)

    def __reduce__(self) -> NoReturn:
        # Of `copy` as well: two that think they hold one generation would let go of it twice.
        raise TypeError(
            f"a Searcher holds files and locks of this process: open one of {str(self._warehouse.root)!r} where it is "
            "needed, `xtr_assets.open(...)` in each process; threads and forked children share this one"
        )

    # -- the generation -----------------------------------------------------------------------------------------------

    @property
    def devices(self) -> Mapping[str, str]:
        """Where each part serves: {"dense": "cpu", "xtr": "cpu", "encoder": ...}; the encoder once it was loaded."""
        encoder = self._encoder.device
        return {**self._now().devices, **({} if encoder is None else {"encoder": encoder})}

    @property
    def device_reasons(self) -> Mapping[str, str]:
        """Why each index serves where it does: {"dense": "asked for", "xtr": "no NVIDIA driver here (...)"}."""
        return dict(self._now().reasons)

    @property
    def modes(self) -> tuple[Mode, ...]:
        """The modes that the generation that answers now has: one of a leg that it does not have is refused."""
        return self._now().modes

    @property
    def manifest(self) -> Manifest:
        """The manifest of the generation that answers now: recipe, profile, encoder, checks."""
        return self._now().generation.manifest

    @property
    def encoder(self) -> QueryEncoder:
        """What makes vectors of texts, and texts of tokens."""
        return self._encoder

    def load_encoder(self) -> None:
        """Load the encoder of the generation now, which the first query would do."""
        self._encoder.of(self._now().generation).encode_queries(["warm"])

    # -- how it searches ----------------------------------------------------------------------------------------------

    @property
    def profile(self) -> dict[str, dict[str, Any]]:
        """How the indexes search now: {"dense": {"nprobe": 8, ...}, "xtr": {...}}, as the manifest keeps it."""
        return profile_of(self._now())

    def apply(self, *, dense: str = "", xtr: str = "") -> dict[str, dict[str, Any]]:
        """Search by other settings from the next search on, in this process alone. Returns the profile.

        dense, xtr : "nprobe=32,rescore=200", for the index of that name. Raises InvalidInput naming what is unknown or
        out of range; nothing is changed then. `reset` and `refresh` to another generation go back to what was proved.
        """
        with self._refreshing:
            return apply_settings(self._now(), dense, xtr)

    def reset(self) -> dict[str, dict[str, Any]]:
        """Search by the profile that the generation was published with, as both indexes were opened. Returns it."""
        with self._refreshing:
            return reset_settings(self._now())

    # -- questions ----------------------------------------------------------------------------------------------------

    def search(
        self,
        query: str,
        k: int = 10,
        mode: Mode = "hybrid",
        where: Mapping[str, Any] | None = None,
        *,
        nprobe: int | None = None,
        ef_search: int | None = None,
        k_prime: int | None = None,
        rescore: int | None = None,
        fusion: Fusion = "zsum",
        syntax: Syntax = "terms",
        collapse: Collapse | None = None,
        explain: bool = False,
    ) -> Hits:
        """The best k chunks, best first; equal scores by chunk_id.

        Parameters
        ----------
        query : text; an empty one, or one of spaces only, finds nothing
        k : 1 or more; more than there are rows gives all that are allowed
        mode : "dense", "xtr", "lexical" (BM25 of words: no model is loaded), "hybrid" (the candidates of all legs,
            scored exactly in each) or "exact" (hybrid without indexes: every allowed row is scored in every leg); both
            sum the legs that the index has (`modes`)
        where : filter (docs/searching.md, "Filters"); InvalidInput names what is wrong in it
        nprobe, ef_search, k_prime, rescore : in place of the generation's profile, for the indexes of the mode
        fusion : how hybrid and exact join the legs, "zsum" or "rrf"
        syntax : "terms" reads `"exact phrase"` and `+must` in the query and corrects its spelling
            (docs/searching.md), "plain" takes it as it is
        collapse : "symbol" for the best chunk of each symbol alone, "text" for that of equal texts, with where else it
            stands (`hit.also`, `hit.copies`); still k of them where there are so many
        explain : fill `hit.explanation`
        """
        return self.search_batch(
            [query], k, mode, where,
            nprobe=nprobe, ef_search=ef_search, k_prime=k_prime, rescore=rescore, fusion=fusion, syntax=syntax,
            collapse=collapse, explain=explain,
        )[0]  # fmt: skip

    def search_batch(
        self,
        queries: Iterable[str],
        k: int = 10,
        mode: Mode = "hybrid",
        where: Mapping[str, Any] | None = None,
        *,
        nprobe: int | None = None,
        ef_search: int | None = None,
        k_prime: int | None = None,
        rescore: int | None = None,
        fusion: Fusion = "zsum",
        syntax: Syntax = "terms",
        collapse: Collapse | None = None,
        explain: bool = False,
    ) -> list[Hits]:
        """`search` for several queries at once: they are encoded together and answered by the same generation."""
        with self._counting():
            options = SearchOptions(k, nprobe, ef_search, k_prime, rescore, fusion=fusion, collapse=collapse)
        answered = self.answer(queries, options, mode, where, syntax=syntax, explain=explain)
        return answered.hits

    def answer(
        self,
        queries: Iterable[str],
        options: SearchOptions,
        mode: Mode = "hybrid",
        where: Mapping[str, Any] | None = None,
        *,
        syntax: Syntax = "terms",
        explain: bool = False,
        scan: bool = False,
    ) -> Answer:
        """`search_batch` with the number of the generation that answered, which `refresh` may have left meanwhile.
        scan : list by the scores of every allowed row, the reference of what the indexes list, and give some more than
        k for those that tie with the last; metrics do not count it."""
        with self._counting():
            ask = replace(Ask.checked(options, mode, where, syntax), scan=scan)
            texts = batch_of(queries)

            def lack(opened: OpenGeneration) -> str:
                return opened.lack(ask, whole=explain or any(demands(one, ask.syntax) for one in texts))

            with self._using(lack) as opened, search_span(opened, ask, len(texts)):
                return Answer(opened.number, answer(opened, self._encoder, texts, ask, explain))

    def search_vectors(
        self,
        queries: Floats,
        k: int = 10,
        where: Mapping[str, Any] | None = None,
        *,
        nprobe: int | None = None,
        ef_search: int | None = None,
        rescore: int | None = None,
    ) -> tuple[Floats, Ints]:
        """Dense search with embeddings of one's own: queries float32 [n, dim].

        Returns (scores float32 [n, k], chunk_ids int64 [n, k]), padded with (-inf, -1). Raises EncoderMismatch for
        another dim, InvalidInput for NaN, a wrong shape or a wrong filter.
        """
        with self._counting():
            ask = Ask.checked(SearchOptions(k, nprobe, ef_search, rescore=rescore), "dense", where)
            with self._using(lambda opened: opened.lack(ask)) as opened:
                opened.spaces("dense")
                embeddings = query_vectors(queries, opened.generation.manifest.encoder.dim)
                return rank_arrays(opened, [QueryVectors(embedding=one) for one in embeddings], ask)

    def search_tokens(
        self,
        queries: Sequence[Floats],
        k: int = 10,
        where: Mapping[str, Any] | None = None,
        *,
        nprobe: int | None = None,
        k_prime: int | None = None,
        rescore: int | None = None,
    ) -> tuple[Floats, Ints]:
        """Late interaction with token embeddings of one's own: each query float32 [tokens, token_dim].

        Returns (scores float32 [n, k], chunk_ids int64 [n, k]), padded with (-inf, -1). Raises as `search_vectors`.
        """
        with self._counting():
            ask = Ask.checked(SearchOptions(k, nprobe, None, k_prime, rescore), "xtr", where)
            with self._using(lambda opened: opened.lack(ask)) as opened:
                opened.spaces("xtr")
                tokens = token_batch(queries, opened.generation.manifest.encoder.token_dim)
                return rank_arrays(opened, [QueryVectors(tokens=one) for one in tokens], ask)

    def hydrate(self, chunk_ids: Sequence[int]) -> Hits:
        """Chunks by id, in the order asked for: hits without scores (`score` is NaN, `scores` are empty).

        chunk_ids : `hit.chunk_id` of each. Raises InvalidInput for one that this generation does not hold.
        """
        with self._counting(), self._using(nothing) as opened:
            return chunks_by_id(opened, chunk_ids)

    def reconstruct(self, chunk_ids: Sequence[int]) -> list[Reconstruction]:
        """The stored vectors of chunks, in the order asked for: what searches compare a query with.

        chunk_ids : `hit.chunk_id` of each. Raises InvalidInput for one that this generation does not hold.
        """
        with self._counting(), self._using(all_of_it) as opened:
            return reconstructed(opened, chunk_ids)


def open(
    warehouse: Warehouse | PartSet | str | Path,
    device: str = "auto",
    generation: int | None = None,
    encoder: EncoderConfig | None = None,
    device_memory: int | None = None,
    verify: Verify | None = None,
) -> Searcher:
    """A Searcher pinned to the published generation (or the named one) of a warehouse; see `Searcher`."""
    return Searcher(warehouse, device, generation, encoder, device_memory, verify=verify)
