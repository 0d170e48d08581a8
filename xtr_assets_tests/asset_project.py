"""An upstream asset without Dagster: each file of a folder is a partition, whose content is its version."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from xtr_assets.sources.asset_reader import AssetReader, Materialization


class FolderReader(AssetReader):
    """Parquet gives a table, JSON lines a list of records."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def materializations(self, asset: str) -> Mapping[str, Materialization]:
        files = sorted(self.folder.iterdir()) if self.folder.is_dir() else []
        return {
            path.name: Materialization(hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
            for path in files
        }

    def load(self, asset: str, partition: str) -> Any:
        path = self.folder / partition
        if path.suffix == ".parquet":
            return pq.read_table(path)
        return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line]
