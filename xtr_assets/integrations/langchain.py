"""A LangChain retriever over an index: `pip install 'xtr-assets[langchain]'`."""

from collections.abc import Mapping
from typing import Any

from xtr_assets.core.errors import ProviderError
from xtr_assets.integrations.hit_metadata import hit_metadata

try:
    from langchain_core.callbacks import CallbackManagerForRetrieverRun
    from langchain_core.documents import Document
    from langchain_core.retrievers import BaseRetriever
except ModuleNotFoundError as missing:
    raise ProviderError(f"{missing.name} is not installed; `pip install 'xtr-assets[langchain]'`") from missing


class XtrAssetsRetriever(BaseRetriever):  # type: ignore[misc]
    """The chunks of an index as LangChain documents, best first.

    searcher : what `xa.open` or `xa.connect` gives; it stays open, and whoever opened it closes it. k, mode, where,
    settings : as `Searcher.search` takes them. Each document has the chunk's text, its id, and its place and scores as
    metadata. Its errors are those of the searcher.
    """

    # Pydantic knows no searcher; a wrong one fails at its first question.
    searcher: Any
    k: int = 10
    mode: str = "hybrid"
    where: Mapping[str, Any] | None = None
    settings: Mapping[str, Any] = {}

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002 LangChain passes it by name
    ) -> list[Document]:
        hits = self.searcher.search(query, self.k, self.mode, self.where, **self.settings)
        return [Document(hit.text, id=str(hit.chunk_id), metadata=hit_metadata(hit)) for hit in hits]
