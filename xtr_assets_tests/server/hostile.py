"""A corpus that somebody wrote against whoever reads it in a browser."""

from pathlib import Path

from xtr_assets.core.types import Chunk, FileState, Quarantined
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import make_chunk, publish, publish_chunks, write_shard

SCRIPT = "zebra <script>window.pwned = 1</script> <img src=x onerror='window.pwned = 2'> & <b>bold</b>"
# An override turns `exe.txt` into `txt.exe` for the eye.
TURNED = "zebra turned \u202egnp.exe\u202c and \u2066isolated\u2069 \u05e9\u05dc\u05d5\u05dd \u0000\u0007 end"
ASTRAL = "\U0001f993\U0001f993 é zebra \U0001f993 stripes zebra"
MEGABYTE = "megabyte " + "x" * 1_000_000
PATHS = ("<img src=x onerror=window.pwned=3>.py", "turned\u202eyp.exe.py", "astral.md", "line.min.js")


def hostile_chunks() -> list[Chunk]:
    texts = (SCRIPT, TURNED, ASTRAL, MEGABYTE)
    made = [
        make_chunk(path, f"<i>f{at}</i>", text, title="<u>title</u>" if at == 0 else "")
        for at, (path, text) in enumerate(zip(PATHS, texts, strict=True))
    ]
    code = [
        make_chunk(f"pkg/deep/m{i}.py", f"f{i}", f"def f{i}():\n    return 'stripes {i}'  # zebra\n" * 12, line=1 + i)
        for i in range(12)
    ]
    return [*made, *code]


def hostile_warehouse(path: Path) -> Warehouse:
    """Two generations; a shard with a file in quarantine whose name and reason are hostile."""
    warehouse = Warehouse.create(path)
    publish_chunks(warehouse, hostile_chunks()[:8])
    write_shard(warehouse, "code", hostile_chunks())
    refused = Quarantined("docs", "<script>bad</script>.md", 3, "unparsable", "<b>no</b> '/srv/secret/file'")
    warehouse.write_snapshot(
        "docs",
        source_fingerprint="fixtures",
        files={refused.path: FileState(refused.path, 1, 1, "0" * 64)},
        touched=[refused.path],
        chunks=[refused],
    )
    publish(warehouse)
    return warehouse
