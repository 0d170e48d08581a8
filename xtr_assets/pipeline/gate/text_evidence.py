"""A second reading of text and code by lines alone: what `source_agrees` holds rows against. No chunker is called."""

import codecs
import hashlib
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, pairwise
from pathlib import PurePosixPath
from typing import Any

from xtr_assets.pipeline.gate import heading_evidence
from xtr_assets.pipeline.gate.heading_evidence import (
    CLOSES,
    Paths,
    begins_at,
    is_plain_heading,
    plain_titles,
    readings,
)
from xtr_assets.pipeline.gate.markup_evidence import ASCIIDOC, LATEX, ORG, markup_of
from xtr_assets.pipeline.gate.page_title import is_plain_front, page_faults

# A row of a file: the chunk columns by name, lines as they are served.
Row = Mapping[str, Any]

MARKDOWN = (".md", ".markdown", ".mdx", ".qmd", ".rmd")
_SECTIONED = frozenset({*MARKDOWN, ".rst", *ASCIIDOC, *ORG, *LATEX})
_FRONT = "<front matter>"
# Chunks that a text of n times the longest one is cut into, for each of n + 1: parts of about half are common, and what
# a chunk must not tear apart makes smaller ones.
MOST_PARTS = 4
# Titles of reStructuredText of which none names a section; a single one may be something else to docutils.
LEAST_TITLES = 2
_LETTER = re.compile(r"[A-Za-z0-9]", re.ASCII)
_WORDS = re.compile(r"[A-Za-z0-9]\s+[A-Za-z0-9]", re.ASCII)


def text_of(data: bytes) -> str | None:
    """UTF-16 or UTF-8 by the byte order mark, else UTF-8; None for what is no text."""
    try:
        if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
            text = data.decode("utf-16")
        else:
            text = data.removeprefix(BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def is_of_hosts(encoding: str) -> bool:
    """Whether what a file declares encodes names of hosts. No text has it, and Python decodes it by the square."""
    try:
        return codecs.lookup(encoding).name in ("punycode", "idna")
    except (LookupError, ValueError):
        return False


def is_armor(path: str, text: str) -> bool:
    """Whether a file is a key or a signature of PGP, and no AsciiDoc."""
    return path.lower().endswith(".asc") and text[:15] == "-----BEGIN PGP "


def lines_of(text: str) -> list[str]:
    """The lines as a parser counts them: CRLF, CR and LF end one, form feeds and U+2028 do not."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def place_id(source: str, path: str, named: str, occurrence: int, part: int) -> int:
    """The chunk_id of a place, as docs/format.md says it: blake2b over length-prefixed fields, 63 bits of it."""
    names = [name.encode() for name in (source, path, named)]
    data = b"".join(len(name).to_bytes(8, "little") + name for name in names)
    data += occurrence.to_bytes(8, "little") + part.to_bytes(8, "little")
    digest = hashlib.blake2b(data, digest_size=8, person=b"xtr-chunk-1").digest()
    return int.from_bytes(digest, "little") % 2**63


def column_faults(rows: Sequence[Row], source: str, max_chars: int) -> Iterator[str]:
    """What no row may be, whatever its file holds."""
    for row in rows:
        where = f"{row['symbol']!r} part {row['part']}"
        encoded = f"{row['title']}\n{row['text']}" if row["title"] else row["text"]
        if hashlib.blake2b(encoded.encode(), digest_size=16).digest() != row["text_hash"]:
            yield f"{where}: the text hash is another text's"
        if row["source"] != source:
            yield f"{where}: its source is {row['source']!r}"
        if not row["text"].strip() or len(row["text"]) > max_chars:
            yield f"{where}: {len(row['text'])} characters, 1 to {max_chars} are allowed"


def line_faults(lines: Sequence[str], rows: Sequence[Row], max_chars: int) -> Iterator[str]:
    """Whether each line that is not blank lies in just one row, and each row is the lines that it names.

    A line longer than a chunk may be cut into pieces of several rows, which join to the line again.
    """
    covered = [0] * (len(lines) + 1)
    pieces: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        start, end = row["start_line"], row["end_line"]
        if not 1 <= start <= end <= len(lines):
            yield f"lines {start} to {end} of a file of {len(lines)}"
            continue
        verbatim = "\n".join(lines[start - 1 : end])
        if start == end and len(verbatim) > max_chars:
            pieces[start].append(row)
        elif row["text"] != verbatim:
            yield f"the text of {row['symbol']!r} part {row['part']} is not that of lines {start} to {end}"
        else:
            for number in range(start, end + 1):
                covered[number] += 1
    for number, cut in pieces.items():
        texts = [row["text"] for row in sorted(cut, key=lambda row: int(row["part"]))]
        joined = "".join(texts)
        yield from (f"line {number}: {fault}" for fault in islice(torn_faults(texts, lines[number - 1]), 1))
        if "".join(joined.split()) == "".join(lines[number - 1].split()):
            covered[number] += 1
        else:
            yield f"{len(cut)} pieces of line {number} do not join to it"
    for number, line in enumerate(lines, 1):
        if covered[number] > 1 or (not covered[number] and line.strip()):
            yield f"line {number} lies in {covered[number]} chunks"


def runs_of(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows of a file in order of lines, as the texts that were split: each begins with part 0."""
    runs: list[list[Row]] = []
    for row in sorted(rows, key=lambda row: (row["start_line"], row["part"])):
        if row["part"] == 0 or not runs:
            runs.append([])
        runs[-1].append(row)
    return runs


def part_faults(runs: Sequence[Sequence[Row]]) -> Iterator[str]:
    """Whether the parts of each text count up from 0 under one symbol."""
    for run in runs:
        if [row["part"] for row in run] != list(range(len(run))) or len({row["symbol"] for row in run}) > 1:
            yield f"parts {[row['part'] for row in run]} of {run[0]['symbol']!r} do not count up"


def whole_faults(lines: Sequence[str], runs: Sequence[Sequence[Row]], max_chars: int) -> Iterator[str]:
    """Whether what fits into a chunk is one, and what does not lies in few."""
    for run in runs:
        first, last = run[0]["start_line"], run[-1]["end_line"]
        size = sum(len(line) + 1 for line in lines[first - 1 : last]) - 1
        if len(run) > 1 and size <= max_chars:
            yield f"lines {first} to {last} of {run[0]['symbol']!r} are {len(run)} chunks and fit into one"
        elif len(run) > MOST_PARTS * (size / max_chars + 1):
            yield f"lines {first} to {last} of {run[0]['symbol']!r} are {len(run)} chunks, few would hold them"


def loose_faults(rows: Sequence[Row], max_chars: int) -> Iterator[str]:
    """The same of documents, whose white space a chunk does not keep: only what is far too small is a fault."""
    by_symbol: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_symbol[row["symbol"]].append(row)
    for symbol, own in by_symbol.items():
        size = sum(len(row["text"]) + 2 for row in own)
        if len(own) > 1 and sum(row["part"] == 0 for row in own) == 1 and 2 * size <= max_chars:
            yield f"{symbol!r} is {len(own)} chunks of {size} characters, {max_chars} fit into one"


def torn_faults(pieces: Sequence[str], whole: str) -> Iterator[str]:
    """Whether a text was cut within words, though white space stands in the half before the cut."""
    at = 0
    for one, other in pairwise(pieces):
        at = whole.find(one, at)
        if at < 0:
            return  # Newlines of another form: what is between the pieces cannot be told.
        at += len(one)
        within = _LETTER.match(one[-1:]) and _LETTER.match(other[:1]) and whole.startswith(other, at)
        if within and _WORDS.search(one, len(one) // 2):
            yield f"a word is cut: {one[-20:]!r} and {other[:20]!r}"


def section_faults(path: str, lines: Sequence[str], rows: Sequence[Row]) -> Iterator[str]:
    """Symbols, titles, kinds and ids of a document: headings that stand in it, in the order in which they come."""
    sections = PurePosixPath(path).suffix.lower() in _SECTIONED
    rst = path.lower().endswith(".rst")
    known = markup_of(path)
    markdown = sections and not rst and known is None
    markup = known or (heading_evidence.RST if rst else heading_evidence.MARKDOWN)
    # What the document is called may stand above: page_title.py and markup_order.py look at that.
    paged = markdown or known is not None
    paths = Paths(markup)
    seen: Counter[str] = Counter()
    runs = runs_of(rows)
    yield from part_faults(runs)
    if rst and rows and not any(row["symbol"] for row in rows) and (titles := plain_titles(lines)) >= LEAST_TITLES:
        yield f"{titles} titles stand in it, and no section is called by one"
    for run in runs:
        symbol = run[0]["symbol"]
        occurrence = seen[symbol]
        seen[symbol] += 1
        start, last = run[0]["start_line"], run[-1]["end_line"]
        starts = [start]
        if markdown or (known and start == 1):
            starts = readings(lines, begins_at(lines, start) if markdown else start, last)
        own = lines[starts[0] - 1 : last] if len(starts) == 1 or is_plain_front(lines) else []
        opening = next((line for line in own if line.strip()), "")
        if symbol and not sections:
            yield f"no heading {symbol!r} stands in the file"
        elif symbol == _FRONT:
            settings = path.lower().endswith(ORG) and opening.lstrip().startswith(("#", ":"))
            if not settings and (start != 1 or lines[0].rstrip() not in CLOSES):
                yield f"front matter at line {run[0]['start_line']}, which opens with none"
            elif len(runs) > 1:
                yield "front matter by itself, though something stands below it"
        elif (
            sections
            and symbol
            and not any(
                paths.spelled(symbol, (raw for _, raw in markup.leading(lines[at - 1 : last]))) for at in starts
            )
        ):
            yield f"the heading {symbol!r} does not stand in lines {run[0]['start_line']} to {run[-1]['end_line']}"
        elif markdown and not symbol and is_plain_heading(opening):
            yield f"{opening!r} is a heading, which names nothing"
        for row in run:
            where = f"{symbol!r} part {row['part']}"
            if row["kind"] != ("section" if sections else "text"):
                yield f"{where}: its kind is {row['kind']!r}"
            if row["title"] != ("" if symbol == _FRONT else symbol) and not (paged and symbol != _FRONT):
                yield f"{where}: its title is {row['title']!r}"
            if row["metadata"] != "{}":
                yield f"{where}: metadata {row['metadata']}"
            if row["chunk_id"] != place_id(row["source"], path, symbol, occurrence, row["part"]):
                yield f"{where}: chunk_id {row['chunk_id']} is another place's"
    if markdown:
        named = {(row["symbol"], row["title"]): None for row in rows if row["symbol"] != _FRONT}
        yield from page_faults(lines, list(named))
    for one, other in pairwise(runs):
        if one[-1]["end_line"] > other[0]["start_line"]:
            yield f"{one[0]['symbol']!r} and {other[0]['symbol']!r} overlap"
