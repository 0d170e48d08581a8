"""A head of the user's own goes into the warehouse that is encoded with it: whoever opens that must be able to ask."""

from pathlib import Path

from xtr_assets.core.errors import GenerationError
from xtr_assets.encoders.encoder_record import minilm_with_tokens
from xtr_assets.encoders.head_file import HEAD_FILE, head_file_bytes, sha256_of
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.manifest import HEAD_KEY
from xtr_assets.storage.warehouse import Warehouse


def keep_head(warehouse: Warehouse, draft: Draft, path: Path) -> None:
    """Keep the head below `models/`, for this draft. GenerationError where the file is another one by now."""
    data = head_file_bytes(path)
    recorded = minilm_with_tokens(draft.manifest.encoder.model_dump()) or {}
    said, found = recorded.get("head"), sha256_of(data)
    if said != found:
        raise GenerationError(
            f"{path} was the head {str(said)[:8]} when the encoder was opened, and is {found[:8]} now; build again"
        )

    def write(folder: Path) -> None:
        (folder / HEAD_FILE).write_bytes(data)

    folder = warehouse.layout.relative(warehouse.add_model(write, made_by="xtr-assets train-head"))
    draft.use_folders([folder])
    draft.set_note(HEAD_KEY, folder)
