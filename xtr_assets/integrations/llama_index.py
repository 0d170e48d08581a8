"""A LlamaIndex retriever over an index: `pip install 'xtr-assets[llama-index]'`."""

import asyncio
from collections.abc import Mapping
from typing import Any

from xtr_assets.core.errors import ProviderError
from xtr_assets.integrations.hit_metadata import Searches, checked, hit_metadata

try:
    from llama_index.core.retrievers import BaseRetriever
    from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
except ModuleNotFoundError as missing:
    raise ProviderError(f"{missing.name} is not installed; `pip install 'xtr-assets[llama-index]'`") from missing


class XtrAssetsRetriever(BaseRetriever):  # type: ignore[misc]
    """The chunks of an index as LlamaIndex nodes with scores, best first.

    searcher : what `xa.open` or `xa.connect` gives; it stays open, and whoever opened it closes it. k, mode, where,
    settings, collapse : as `Searcher.search` takes them, but equal texts are one node unless `collapse` is None. Each
    node has the chunk's text, its id, and its place and scores as metadata, of which embedding models are shown the
    path and the symbol alone, and LLMs also where else the text stands. Its errors are those of the searcher.
    """

    def __init__(
        self,
        searcher: Searches,
        k: int = 10,
        mode: str = "hybrid",
        where: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
        collapse: str | None = "text",
        **named: Any,
    ) -> None:
        """named : what LlamaIndex's own BaseRetriever takes."""
        super().__init__(**named)
        self._searcher, self._k, self._mode, self._where, self._settings = (
            checked(searcher),
            k,
            mode,
            where,
            {"collapse": collapse, **(settings or {})},
        )

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        hits = self._searcher.search(query_bundle.query_str, self._k, self._mode, self._where, **self._settings)
        nodes = []
        for hit in hits:
            metadata = hit_metadata(hit, hits.corrected)
            unshown = [name for name in metadata if name not in ("path", "symbol")]
            untold = [name for name in unshown if name != "also_in" or not metadata[name]]
            node = TextNode(
                id_=str(hit.chunk_id),
                text=hit.text,
                metadata=metadata,
                excluded_llm_metadata_keys=untold,
                excluded_embed_metadata_keys=unshown,
            )
            nodes.append(NodeWithScore(node=node, score=hit.score))
        return nodes

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        # LlamaIndex's own would search in the event loop.
        return await asyncio.to_thread(self._retrieve, query_bundle)
