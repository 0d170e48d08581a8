"""What the names of rows should be, worked out from docs/format.md by code of its own."""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import takewhile

import numpy as np
import pyarrow.parquet as pq

from xtr_assets.config import IndexConfig
from xtr_assets.pipeline.gate.schemas import Problem
from xtr_assets.pipeline.gate.source_stock import source_name
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.generation import Generation, PlacedSegment
from xtr_assets.storage.segment import Segment

# Of all rows that differ so many are told.
SHOWN = 5
_NAMELESS = bytes(16)
# What files of text are read as.
DOCUMENTS = ("section", "text", "page", "slide", "cell")
# What a source has where its configuration says nothing of names.
_AS_KINDS = dict.fromkeys(("python", "code", "config"), "names") | {"mixed": "names of code alone"}
_AS_KINDS |= dict.fromkeys(("text", "records", "own"), "no names")
# Languages that say it below the name.
_PARENTHESES = ("clj", "cljs", "cljc", "el", "lisp", "lsp", "asd", "scm", "ss", "sld", "sps", "rkt")


def expected_name(path: str, symbol: str, text: str, kind: str, *, documents: bool = True) -> str:
    """The name of a row; empty where it has none. documents : whether those have names."""
    if not documents and kind in DOCUMENTS:
        return ""
    *folders, file = path.split("/")
    while folders and folders[0] in ("src", "lib"):
        del folders[0]
    head, _, _ = file.rpartition(".")
    stem = head or file
    places = folders if stem == "__init__" else [*folders, stem]
    every = [word for one in (*places, "" if symbol[:1] == "<" else symbol) for word in split_words(one)]
    different = sorted(set(every), key=every.index)[-24:]
    said = _sentence(_documentation(path, text, kind)) if kind in ("module", "class", "function", "method") else ""
    return ": ".join(filter(None, (" ".join(different), said)))


def split_words(text: str) -> list[str]:
    """The words of an identifier or of a part of a path, in small letters.

    >>> split_words("parseHTTPDate_v2"), split_words("utf8Decode")
    (['parse', 'http', 'date', 'v2'], ['utf8', 'decode'])
    """
    words = [""]
    for before, here, after in zip(" " + text, text, text[1:] + " ", strict=False):
        if not here.isalnum():
            words.append("")
            continue
        if "A" <= here <= "Z" and (
            "a" <= before <= "z" or "0" <= before <= "9" or ("A" <= before <= "Z" and "a" <= after <= "z")
        ):
            words.append("")
        words[-1] += here
    return [word.lower() for word in words if word]


def name_problems(draft: Draft, new: Sequence[PlacedSegment], config: IndexConfig) -> list[Problem]:
    """Segments that have names and should have none, or the reverse; and rows of `new`, segments whose names are new,
    that have the hash of another name."""
    wanted = {
        one.name: _AS_KINDS[one.holds] if one.names is None else "names" if one.names else "no names"
        for one in config.sources
    }
    if "dense" not in draft.legs:
        # Names are embeddings.
        wanted = dict.fromkeys(wanted, "no names")
    found = []
    for one in draft.manifest.segments:
        source = source_name(one.shard)
        there = names_of(draft, one.segment_id)
        held = "no names" if not there else "names" if names_documents(there) else "names of code alone"
        if source in wanted and wanted[source] != held:
            case = f"segment {one.segment_id} has {held}"
            found.append(Problem("names", f"{wanted[source]} in segments of source {source}", case))
    return found + [problem for placed in new for problem in _hash_problems(placed, draft)]


def newly_named(draft: Draft, parent: Generation | None) -> list[PlacedSegment]:
    """Segments with names that no passed check of the parent is about."""
    known = {} if parent is None or parent.manifest.forced is not None else parent.manifest.files
    files = draft.manifest.files
    return [
        placed
        for placed in draft.segments
        if any(known.get(name) != files[name] for name in names_of(draft, placed.segment.segment_id))
    ]


def names_documents(names: Sequence[str]) -> bool:
    """Whether names of these files are of documents, too."""
    return not any(one.split("/")[2].endswith(".code") for one in names)


def names_of(generation: Generation, segment_id: str) -> list[str]:
    """The files of a segment's names that a generation lists."""
    prefix = f"segments/{segment_id}/names.{generation.fingerprint[:8]}."
    return [name for name in generation.manifest.files if name.startswith(prefix)]


def _hash_problems(placed: PlacedSegment, draft: Draft) -> list[Problem]:
    segment, found = placed.segment, []
    hashes = np.asarray(segment.name_hashes(draft.fingerprint))
    documents = names_documents(names_of(draft, segment.segment_id))
    for position, name in enumerate(expected_names(segment, documents=documents)):
        right = hashlib.blake2b(name.encode(), digest_size=16).digest() if name else _NAMELESS
        if hashes[position].tobytes() != right:
            case = f"row {placed.base_row + position} of segment {segment.segment_id} has the name of something else"
            found.append(Problem("names", f"the name {name!r}" if name else "no name", case))
            if len(found) == SHOWN:
                break
    return found


def expected_names(segment: Segment, *, documents: bool) -> Iterator[str]:
    """The name of each row, from chunks.parquet. documents : whether those have names."""
    columns = ["path", "symbol", "text", "kind"]
    with pq.ParquetFile(segment.verified("chunks.parquet")) as file:
        for batch in file.iter_batches(columns=columns):
            rows = zip(*(batch[c].to_pylist() for c in columns), strict=True)
            yield from (expected_name(*row, documents=documents) for row in rows)


def _documentation(path: str, text: str, kind: str) -> Sequence[str]:
    """Lines of a docstring, or of what stands above a definition."""
    if path.endswith((".py", ".pyi", ".bzl", ".star", ".bazel")):
        return _docstring(text, inside=kind != "module")
    text = text.strip()
    if kind == "module" or not text:
        return ()
    _, _, suffix = path.rpartition(".")
    if suffix in ("ex", "exs"):
        said = _attribute(text)
    elif suffix in _PARENTHESES:
        said = _below(text.split("\n"))
    elif suffix in ("f90", "f95", "f03", "f08"):
        said = [line.lstrip("!") for line in _begun(text.split("\n"), "!")]
        said = [line[1:] if line[:1] in ("<", ">") else line for line in said]
    else:
        said = _opening(text)
    if suffix == "nim":
        lines = [line.strip() for line in text.split("\n")]
        numbers = [number for number, line in enumerate(lines) if line[:2] == "##"]
        said = [line.lstrip("#") for line in _begun(lines[numbers[0] :], "#")] if numbers else said
    for suffixes, opening, closing in (("hs purs elm", "{-", "-}"), ("pas dpr lpr", "{", "}")):
        if suffix in suffixes.split() and text.startswith(opening):
            said = text[len(opening) :].split(closing)[0].split("\n")
    if suffix in ("hs", "purs", "elm"):
        said = [line.lstrip()[1:] if line.lstrip()[:1] in ("|", "^") else line for line in said]
    if suffix == "jl":
        while said and (not said[0].strip() or said[0].startswith(("    ", "\t"))):
            said = said[1:]
    if suffix in ("cs", "fs", "fsx"):
        inside = "\n".join(said).split("</summary>")[0].split("\n")
        said = [_untagged(line) for line in inside]
    return ["" if _is_rubric(line.strip()) else line for line in said]


def _opening(text: str) -> Sequence[str]:
    """Lines of the comment or string that a text begins with."""
    for opening, closing in {"/*": "*/", "(*": "*)", "<#": "#>", "#=": "=#", "--[[--": "]]", "--[[": "]]"}.items():
        if text.startswith(opening):
            inside = text.removeprefix(opening).split(closing)[0]
            return [line.strip().lstrip("*!") for line in inside.split("\n")]
    if text[0] == '"':
        quotes = '"""' if text[:3] == '"""' else '"'
        inside = text.removeprefix(quotes).split(quotes)[0]
        return inside.split("\n") if quotes == '"""' else inside.split("\n")[:1]
    if text[0] == "=" and "a" <= text[1:2] <= "z":
        return text.split("=cut")[0].split("\n")
    return _commented(text.split("\n"))


def _commented(lines: Sequence[str]) -> Sequence[str]:
    read = [_uncommented(line.strip()) for line in lines]
    return [rest for sign, rest in takewhile(lambda one: one[0] and one[0] == read[0][0], read)]


def _begun(lines: Sequence[str], sign: str) -> Sequence[str]:
    return list(takewhile(lambda line: line[:1] == sign, (line.strip() for line in lines)))


def _below(lines: Sequence[str]) -> Sequence[str]:
    """Of a Lisp the string below the first line of code, or the comments above it."""
    above = _begun(lines, ";")
    for number in (len(above) + 1, len(above) + 2):
        line = lines[number].strip() if number < len(lines) else ""
        if line[:1] == '"':
            return "\n".join([line[1:], *lines[number + 1 :]]).split('"')[0].split("\n")
    said = [line.lstrip(";") for line in above]
    return ["" if line[:3] == "###" else line for line in said]


def _attribute(text: str) -> Sequence[str]:
    """Lines of the first @doc of Elixir that says something."""
    lines = text.split("\n")
    above = len(list(takewhile(lambda line: not line.strip().startswith("def"), lines)))
    for number in range(above):
        name, value = [*lines[number].split(None, 1), "", ""][:2]
        value = value[2:] if value[:2] in ("~s", "~S") else value
        if name == "@doc" and value[:3] == '"""':
            whole = "\n".join([lines[number], *lines[number + 1 :]])
            return whole.split('"""')[1].split("\n")
        if name == "@doc" and value[:1] == '"':
            return [value.split('"')[1]]
    return _commented(lines)


def _is_rubric(line: str) -> bool:
    capitals = line[:1] == "." and len(line) > 1 and all("A" <= one <= "Z" for one in line[1:])
    return capitals or (line[:1] == "=" and "a" <= line[1:2] <= "z")


def _untagged(line: str) -> str:
    """A line with a space for each tag."""
    said = ""
    while (closing := line.find(">")) >= 0:
        opening = line.rfind("<", 0, closing)
        said += line[: closing + 1] if opening < 0 else line[:opening] + " "
        line = line[closing + 1 :]
    return said + line


def _docstring(text: str, *, inside: bool) -> Sequence[str]:
    code = [line for line in enumerate(text.split("\n")) if line[1].strip() and line[1].strip()[0] != "#"]
    if inside:
        heads = [number for number, (_, line) in enumerate(code) if line.rstrip().endswith(":")]
        code = code[heads[0] + 1 :] if heads else []
    if not code:
        return ()
    number, line = code[0]
    opening = line.strip()
    if opening[:1] in tuple("rRuU"):
        opening = opening[1:]
    if opening[:3] not in ('"""', "'''"):
        return ()
    return "\n".join([opening[3:], *text.split("\n")[number + 1 :]]).split(opening[:3])[0].split("\n")


def _uncommented(line: str) -> tuple[str, str]:
    """(the sign with which a line is a comment, what it says)."""
    for sign in ("//", "--"):
        if line.startswith(sign):
            rest = line.lstrip(sign[0])
            return sign, rest[1:] if sign == "//" and rest[:1] == "!" else rest
    for sign in ("#", "%"):
        rest = line.lstrip(sign)
        if sign == "#" and rest != line and rest[:1] == "'":
            rest = rest[1:]
        if rest != line and (not rest or rest[0].isspace()):
            return sign, rest
    return "", line


def _sentence(lines: Sequence[str]) -> str:
    stripped = [line.strip() for line in lines]
    while stripped and not (described := _described(stripped[0])):
        del stripped[0]
    if stripped:
        stripped[0] = described
    whole = " ".join(takewhile(lambda line: line and not _is_tag(line), stripped))
    stop = len(whole)
    for place, (here, after) in enumerate(zip(whole, whole[1:] + " ", strict=False)):
        if here in "\u3002\uff01\uff1f" or (here in ".!?:" and after.isspace()):
            stop = place
            break
    said = whole[:stop].split()[:24]
    return " ".join(said) if any(map(str.isalnum, "".join(said))) else ""


def _described(line: str) -> str:
    """A line without the tag behind which a description stands."""
    for tag in ("@doc", "@brief", "@title", "@notice", "@summary", "@description", "\\brief"):
        if line == tag or (line.startswith(tag) and line[len(tag)].isspace()):
            return line[len(tag) :].strip()
    return line


def _is_tag(line: str) -> bool:
    return line[0] == "@" or (line[0] == "\\" and "a" <= line[1:2] <= "z")
