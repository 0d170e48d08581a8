"""JSON lines, one at a time: memory is bounded by the longest line."""

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator

from xtr_assets.core.json_document import NameTwice, read_json
from xtr_assets.sources.place import SourceFile
from xtr_assets.sources.record_rows import InvalidRecord, Row

MOST_STRANGE = 1000
WANTED = "records are read from CSV, XLSX, JSON lines (an object a line) and Parquet; write it so"


def read_jsonl(file: SourceFile) -> Iterator[Row | InvalidRecord]:
    """Rows in order; a broken line gives an InvalidRecord and the next one is read. Raises OSError.

    A broken last line that has no line end was cut off: so were, most likely, the records that followed it. Of a file
    whose first MOST_STRANGE lines are no objects the rest is not read: it is something else, and each line would be
    quarantined.
    """
    strange, objects = 0, False
    with file.open() as stream:
        for number, line in enumerate(stream, 1):
            if number == 1 and line.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
                # UTF-32 begins so, too, on most machines. Lines of either would end within a letter.
                detail = "it begins with the byte order mark of UTF-16 or UTF-32; write it as UTF-8"
                yield InvalidRecord(0, "no-records", detail)
                return
            stripped = (line.removeprefix(BOM_UTF8) if number == 1 else line).strip()
            if not stripped:
                continue
            row = _row(number, stripped)
            if isinstance(row, InvalidRecord) and row.reason != "invalid-record" and not line.endswith(b"\n"):
                row = InvalidRecord(number, "truncated", f"the file ends in the midst of a record ({row.detail})")
            yield row
            objects = objects or isinstance(row, Row)
            strange += not objects
            if strange >= MOST_STRANGE:
                yield InvalidRecord(0, "no-records", f"none of its first {strange:,} lines is a JSON object; {WANTED}")
                return


def _row(number: int, line: bytes) -> Row | InvalidRecord:
    try:
        values = read_json(line.decode("utf-8"), distinct=True)
    except UnicodeDecodeError as error:
        detail = f"byte {line[error.start]:#04x} is not UTF-8 ({error.reason})"
        return InvalidRecord(number, "undecodable", detail)
    except NameTwice as error:
        return InvalidRecord(number, "invalid-record", str(error))
    except ValueError as error:
        return InvalidRecord(number, "unparsable", f"not JSON: {error}")
    if not isinstance(values, dict):
        return InvalidRecord(number, "invalid-record", f"a JSON object is wanted, found {type(values).__name__}")
    return Row(number, values)
