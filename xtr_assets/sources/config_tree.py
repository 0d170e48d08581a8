"""Files that run a project: YAML, TOML, INI, Dockerfiles, makefiles, CMake and more, by their names."""

from collections.abc import Iterator
from typing import Any, ClassVar

from xtr_assets.core.chunking import chunk_config
from xtr_assets.core.chunking.config_names import CONFIG_NAMES, CONFIG_SUFFIXES, HIDDEN_CONFIG, NEVER_CONFIG
from xtr_assets.core.chunking.config_trees import PARSER
from xtr_assets.core.types import Chunk, Quarantined
from xtr_assets.sources.base import FileSource
from xtr_assets.sources.globs import KnownNames
from xtr_assets.sources.place import SourceFile, refuse_pointer
from xtr_assets.sources.text_decoder import declared_encoding, decode, properties_encoding

# Of what such files are read to say.
CONFIG_VERSION = 1


class ConfigTree(FileSource):
    """Kind `config`. UTF-8, or UTF-16 with a byte order mark; `.properties` also Latin-1."""

    suffixes: ClassVar[tuple[str, ...]] = CONFIG_SUFFIXES
    names: ClassVar[KnownNames] = KnownNames(CONFIG_NAMES, HIDDEN_CONFIG, NEVER_CONFIG)

    def settings(self) -> dict[str, Any]:
        # Another parser may take what this one refuses.
        return {"config": CONFIG_VERSION, "yaml": PARSER}

    def read_file(self, path: str, file: SourceFile) -> Iterator[Chunk | Quarantined]:
        data = file.read_bytes()
        refuse_pointer(data)
        encoding = properties_encoding(data) if path.lower().endswith(".properties") else declared_encoding(data)
        text = decode(data, encoding)
        yield from chunk_config(self.config.name, path, text, self.config.max_chars)
