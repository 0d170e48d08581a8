"""Somebody's own source, opened anew and asked for each text by another method than the one that made the rows."""

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from xtr_assets.config import SourceConfig
from xtr_assets.core.errors import XtrAssetsError
from xtr_assets.pipeline.gate.text_evidence import Row
from xtr_assets.sources import OwnSource, open_source

_BLANK = re.compile(r"\s+")


@dataclass(slots=True)
class OwnFiles:
    """What the source says that it holds now. files : by path, nothing: when a file was touched it does not say."""

    source: OwnSource | None = None
    files: Mapping[str, int] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)

    def was_so(self, path: str, looked_ns: int) -> bool:  # noqa: ARG002
        return False

    @contextmanager
    def reading(self, path: str, recorded: str) -> Iterator[tuple[Path, str]]:  # noqa: ARG002
        """A file with the text that the source gives, and its digest. OSError where it gives none."""
        if self.source is None or path not in self.digests:
            raise FileNotFoundError(path)
        with tempfile.NamedTemporaryFile() as stream:
            stream.write(self.source.reread(path).encode("utf-8", "surrogatepass"))
            stream.flush()
            yield Path(stream.name), self.digests[path]


def own_files_of(config: SourceConfig) -> OwnFiles:
    """None where the source is away now."""
    try:
        source = open_source(config)
        assert isinstance(source, OwnSource)
        # Nothing is said to be known: it has to look at each file again.
        states = {path: one for shard in source.shards() for path, one in source.scan(shard, {}).items()}
    except XtrAssetsError:
        return OwnFiles()
    digests = {path: state.sha256 for path, state in states.items() if not state.unread}
    return OwnFiles(source, dict.fromkeys(digests, 1 << 63), digests)


def own_faults(file: Path, rows: Sequence[Row], quarantined: set[int]) -> Iterator[str]:
    """Whether the rows of a file, one after another, hold the text that the source gives for it, and nothing else:
    white space apart."""
    text = _letters(file.read_text("utf-8", "surrogatepass"))
    ordered = sorted(rows, key=lambda row: (row["start_line"], row["end_line"], row["symbol"], row["part"]))
    found = "".join(_letters(row["text"]) for row in ordered)
    for row in rows:
        if not 0 <= row["start_line"] <= row["end_line"]:
            yield f"{row['symbol']!r} has the lines {row['start_line']} to {row['end_line']}"
    if quarantined:
        if 0 in quarantined and rows:
            yield f"{len(rows)} rows of a file that cannot be used"
        elif found not in text and not all(_letters(row["text"]) in text for row in rows):
            yield "a row holds what the source does not give for it"
    elif found != text:
        place = next((n for n, (one, other) in enumerate(zip(found, text, strict=False)) if one != other), None)
        where = min(len(found), len(text)) if place is None else place
        yield f"its rows hold {len(found)} letters, the source gives {len(text)}; they differ from letter {where} on"


def _letters(text: str) -> str:
    return _BLANK.sub("", text)
