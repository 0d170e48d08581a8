"""The code of the documents: fenced blocks, commands of `xtr-assets` there and in the prose, what is wrong with one."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import click

from xtr_assets_tests.reference_pages import commands
from xtr_assets_tests.test_links import ROOT, prose

BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]+) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
# Shells show what is typed and what is answered (console), or what is typed alone (bash, sh).
SHELLS = ("console", "bash", "sh")
# Words in place of a value, as documents write them: N, SOURCE, FOLDER, ..., <commit>.
STANDING_IN = re.compile(r"[A-Z][A-Z_=.,]*|\.\.\.|<.*>|\$\w+")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. reason : why it cannot be run, where the page says so in a comment before it."""

    page: str
    line: int
    language: str
    text: str
    reason: str | None


def blocks(page: Path, language: str | None = None) -> list[Block]:
    """Those of a page, in their order; of one language where it is given."""
    text = page.read_text("utf-8")
    name = page.relative_to(ROOT).as_posix() if page.is_relative_to(ROOT) else page.name
    found = [
        Block(name, text.count("\n", 0, one.start("language")) + 1, one["language"], one["text"], one["reason"])
        for one in BLOCK.finditer(text)
    ]
    return [one for one in found if language in (None, one.language)]


def typed(block: Block) -> Iterator[str]:
    """What is typed in a block of a shell, line by line."""
    for line in block.text.splitlines():
        if block.language != "console":
            yield line
        elif line.startswith("$ "):
            yield line[2:]


def answered(block: Block) -> Iterator[tuple[str, list[str]]]:
    """What is typed in a console, and the lines that answer it."""
    command: str | None = None
    lines: list[str] = []
    for line in block.text.splitlines():
        if not line.startswith("$ "):
            lines.append(line)
            continue
        if command is not None:
            yield command, lines
        command, lines = line[2:], []
    if command is not None:
        yield command, lines


def commands_of(page: Path) -> Iterator[str]:
    """Every call of `xtr-assets` that a page shows, in blocks and in the prose."""
    for block in blocks(page):
        if block.language in SHELLS:
            yield from (line for line in typed(block) if re.search(r"(^|[\s/])xtr-assets\s", line))
    for found in re.finditer(r"`((?:[^`\n]|\n(?!\n))+)`", prose(page)):
        written = " ".join(found[1].split())
        if re.match(r"(\S+/)?xtr-assets \S", written):
            yield written


def command_problem(line: str) -> str | None:
    """What `xtr-assets` would not understand in a line of a shell; None where all is known."""
    for part in re.split(r"&&|\|\||;|\s\|\s|\s>\s", _without_comment(line)):
        words = _words(part)
        places = [place for place, word in enumerate(words) if word.rpartition("/")[2] == "xtr-assets"]
        if places and (problem := _problem(words[places[0] + 1 :])):
            return f"{line}: {problem}"
    return None


@cache
def _known() -> dict[str, click.Command]:
    found = dict(commands())
    for name, group in list(found.items()):
        if isinstance(group, click.Group):
            found |= {f"{name} {inner}": command for inner, command in group.commands.items()}
    return found


def _without_comment(line: str) -> str:
    return re.sub(r"\s#\s.*$", "", line)


def _words(part: str) -> list[str]:
    try:
        return shlex.split(part)
    except ValueError:
        # A quote that another part closes.
        return part.replace('"', " ").replace("'", " ").split()


def _problem(words: list[str]) -> str | None:
    known = _known()
    while words and words[0] in ("--help", "--version", "--debug"):
        words = words[1:]
    if not words or STANDING_IN.fullmatch(words[0]):
        return None
    if " ".join(words[:2]) in known:
        words = [" ".join(words[:2]), *words[2:]]
    command = known.get(words[0])
    if command is None:
        return f"there is no command {words[0]}"
    options = {name: one for one in command.params for name in (*one.opts, *one.secondary_opts)}
    free: list[str] = []
    rest = iter(words[1:])
    for word in rest:
        name, equals, value = word.partition("=")
        if not name.startswith("-") or name == "-":
            free.append(word)
            continue
        option = options.get(name)
        if name in ("-h", "--help"):
            continue
        if not isinstance(option, click.Option):
            return f"{words[0]} has no option {name}"
        if not option.is_flag:
            value = value if equals else next(rest, "")
            if (problem := _value_problem(option, value)) is not None:
                return problem
    arguments = [one for one in command.params if isinstance(one, click.Argument)]
    most = None if any(one.nargs == -1 for one in arguments) else sum(one.nargs for one in arguments)
    if most is not None and len(free) > most and "..." not in free:
        return f"{words[0]} takes {most} arguments, not {free}"
    return None


def _value_problem(option: click.Option, value: str) -> str | None:
    if not value or STANDING_IN.fullmatch(value):
        return None
    try:
        option.type.convert(value, option, None)
    except click.BadParameter as error:
        return f"{option.opts[0]} {value}: {error.message}"
    return None
