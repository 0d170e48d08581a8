"""A LangChain retriever over an index: `pip install 'xtr-assets[langchain]'`."""

from collections.abc import Mapping
from typing import Annotated, Any

from xtr_assets.core.errors import ProviderError
from xtr_assets.integrations.hit_metadata import checked, hit_metadata

try:
    from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
    from langchain_core.documents import Document
    from langchain_core.retrievers import BaseRetriever
    from langchain_core.runnables import run_in_executor
    from pydantic import AfterValidator, ConfigDict
except ModuleNotFoundError as missing:
    raise ProviderError(f"{missing.name} is not installed; `pip install 'xtr-assets[langchain]'`") from missing


class XtrAssetsRetriever(BaseRetriever):  # type: ignore[misc]
    """The chunks of an index as LangChain documents, best first.

    searcher : what `xa.open` or `xa.connect` gives; it stays open, and whoever opened it closes it. k, mode, where,
    collapse, settings : as `Searcher.search` takes them, but equal texts are one document unless `collapse` is None;
    `invoke(question, k=3, where=...)` sets any of them for one question.
    Each document has the chunk's text, its id, and its place and scores as metadata. Its errors are those of the
    searcher.
    """

    # LangChain's own drops a misspelt field, and the filter that it was.
    model_config = ConfigDict(extra="forbid")

    # Pydantic knows no searcher.
    searcher: Annotated[Any, AfterValidator(checked)]
    k: int = 10
    mode: str = "hybrid"
    where: Mapping[str, Any] | None = None
    collapse: str | None = "text"
    settings: Mapping[str, Any] = {}

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002 LangChain passes it by name
        **once: Any,
    ) -> list[Document]:
        own = {"k": self.k, "mode": self.mode, "where": self.where, "collapse": self.collapse}
        asked = {**own, **self.settings, **once}
        hits = self.searcher.search(query, asked.pop("k"), asked.pop("mode"), asked.pop("where"), **asked)
        return [Document(hit.text, id=str(hit.chunk_id), metadata=hit_metadata(hit, hits.corrected)) for hit in hits]

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **once: Any
    ) -> list[Document]:
        # LangChain's own takes nothing for one question.
        named = {"run_manager": run_manager.get_sync(), **once}
        found: list[Document] = await run_in_executor(None, self._get_relevant_documents, query, **named)
        return found
