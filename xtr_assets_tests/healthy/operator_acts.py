"""What an operator does between two commits, drawn by a seed: commands, changed settings, an accident that is stopped.

Each leaves an index that has to serve, and a next commit that has to be published.
"""

import os
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from xtr_assets_tests.healthy.project_folder import Built, ProjectFolder, blocking

# Settings that another value is drawn for; those of the encoder by its kind.
MAX_CHARS = (600, 1200, 2000, 4000)
SHARDS = (1, 2, 3, 5)
HEADS: dict[str, tuple[dict[str, Any], ...]] = {
    "hashing": ({}, {"token_dim": 16}, {"dim": 48}, {"dim": 0}, {"token_dim": 0}),
    "minilm": ({}, {"head": "shipped-2"}, {"head": "shipped-1"}, {"head": "projection"}),
}
# How often another act follows before the next commit.
FURTHER_SHARE = 0.6
# Of a source with fewer files a loss may go without a question.
FEW_FILES = 15
_DELETED = re.compile(r"(\d+) deleted")


class Operator:
    """Acts on the project in `folder`; a seed decides which."""

    def __init__(self, folder: ProjectFolder, seed: int, only: Sequence[str] = ()) -> None:
        self.folder, self.random = folder, random.Random(f"acts {seed}")
        self._names = 0
        self.acts: dict[str, Callable[[], Iterator[Built]]] = {
            "compact": lambda: self._command("compact"),
            "full": self._full,
            "tune": lambda: self._command("tune", "--apply"),
            "collect": lambda: self._command("gc", "--keep", "1"),
            "rollback": self._rollback,
            "withdraw": self._withdraw,
            "touch": self._touch,
            "loss": self._loss,
            "line ends": self._line_ends,
            "longest": lambda: self._of_sources("max_chars", MAX_CHARS),
            "shards": lambda: self._of_sources("shards", SHARDS),
            "names": lambda: self._of_sources("names", (True, False, None)),
            "rename": self._rename,
            "encoder": self._encoder,
        }
        self._chosen = list(only) or list(self.acts)

    def act(self) -> Iterator[Built]:
        """One act, and what its commands came to."""
        yield from self.acts[self.random.choice(self._chosen)]()

    def between(self) -> Iterator[Built]:
        """The acts between two commits. A loss is the last of them: what was lost comes back with the next commit."""
        while self.random.random() < FURTHER_SHARE:
            name = self.random.choice(self._chosen)
            yield from self.acts[name]()
            if name == "loss":
                return

    def _command(self, *words: str) -> Iterator[Built]:
        yield _as_it_may(self.folder.command(" ".join(words), *words))

    def _full(self) -> Iterator[Built]:
        yield _as_it_may(self.folder.build("build --full", "--full"))

    def _rollback(self) -> Iterator[Built]:
        if "retired" in self._states():
            yield _as_it_may(self.folder.command("rollback", "rollback"))

    def _withdraw(self) -> Iterator[Built]:
        """What serves."""
        states = self._states()
        if "retired" in states:
            number = str(states["published"])
            yield _as_it_may(self.folder.command("withdraw", "withdraw", number, "--reason", "a trial"))

    def _states(self) -> dict[str, int]:
        """State -> the newest generation of it."""
        return {one["state"]: int(one["generation"]) for one in self.folder.run("generations", "--json")["list"]}

    def _touch(self) -> Iterator[Built]:
        """Every file has another time, and the same bytes: nothing is to be built, once what was to be is."""
        if (before := self.folder.build("before touch")).stopped:
            yield before
            return
        for path in self._files():
            os.utime(path)
        found = self.folder.run("build", "--json")
        told = "" if found.get("built", 0) is None else f"generation {found.get('built')} was built of the same bytes"
        yield Built("touch", stopped=told)

    def _loss(self) -> Iterator[Built]:
        """Three in four files go, as where a mount lacks folders: the build has to be refused."""
        files = self._files()
        kept = {path: path.read_bytes() for number, path in enumerate(files) if number % 4}
        if len(files) < FEW_FILES:
            return
        for path in kept:
            path.unlink()
        found = self.folder.run("build", "--json")
        names = [one["name"] for one in blocking(found)]
        for path, data in kept.items():
            path.write_bytes(data)
        # Most files of a repository may be none of any source.
        lost = sum(int(count) for one in found.get("shards", {}).values() for count in _DELETED.findall(one["reason"]))
        missed = lost >= FEW_FILES and "nothing_vanished" not in names
        yield Built("loss", stopped=f"the loss of {lost} files was not found: {names}" if missed else "")

    def _line_ends(self) -> Iterator[Built]:
        """Every text ends its lines as Windows does, or as Unix does again."""
        for path in self._files():
            data = path.read_bytes()
            if b"\0" not in data:
                plain = data.replace(b"\r\n", b"\n")
                path.write_bytes(plain if b"\r\n" in data else plain.replace(b"\n", b"\r\n"))
        yield self.folder.build("line ends")

    def _of_sources(self, field: str, values: tuple[Any, ...]) -> Iterator[Built]:
        settings = self.folder.settings()
        value = self.random.choice([one for one in values if one != settings["sources"][0].get(field)])
        sources = [{**one, field: value} for one in settings["sources"]]
        yield from self._changed({**settings, "sources": sources}, f"{field}: {value}")

    def _rename(self) -> Iterator[Built]:
        settings = self.folder.settings()
        one = self.random.randrange(len(settings["sources"]))
        self._names += 1
        settings["sources"][one]["name"] = f"renamed{self._names}"
        yield from self._changed(settings, "rename")

    def _encoder(self) -> Iterator[Built]:
        settings = self.folder.settings()
        kind = settings["encoder"]["kind"]
        chosen = self.random.choice([one for one in HEADS[kind] if {"kind": kind, **one} != settings["encoder"]])
        if chosen.get("dim") == 0:
            # What is asked of embeddings needs some.
            settings["sources"] = [{**one, "names": None} for one in settings["sources"]]
        yield from self._changed({**settings, "encoder": {"kind": kind, **chosen}}, f"encoder: {chosen}")

    def _changed(self, settings: dict[str, Any], what: str) -> Iterator[Built]:
        """Half of the settings are built at once, the others together with the next commit."""
        self.folder.write_settings(settings)
        if self.random.random() < 0.5:
            yield self.folder.build(what)
        else:
            yield Built(f"{what}, with the next commit")

    def _files(self) -> list[Path]:
        return sorted(path for path in self.folder.corpus.rglob("*") if path.is_file() and not path.is_symlink())


def _as_it_may(found: Built) -> Built:
    """Where all that was published before holds the same, there is nothing to go back to; what was taken back does not
    serve again by itself; other profiles want texts encoded. Each is said, and is no fault."""
    no_fault = (
        "nothing was published before",
        "only where a person says so",
        "encode it first (`xtr-assets build`)",
        "or run `xtr-assets build`",
    )
    return replace(found, stopped="" if any(words in found.stopped for words in no_fault) else found.stopped)
