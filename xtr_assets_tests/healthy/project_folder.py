"""A user's folder: a corpus, an `xtr.yaml` and the commands that are run in it."""

import json
import re
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

COMMAND = [sys.executable, "-m", "xtr_assets"]
# By kind: hashing takes minutes where the embedded encoder takes an hour, and knows no words.
ENCODERS: dict[str, dict[str, Any]] = {"hashing": {"kind": "hashing"}, "minilm": {"kind": "minilm"}}


@dataclass(frozen=True, slots=True)
class Built:
    """What a build, or another command, came to.

    what : the commit, or the operator's act. chunks : the live ones that serve after it. word : whether a person's word
    for a shrink was needed. again : whether it was refused for what its indexes had learnt, and built once more by
    itself. quarantined : the files that were. seconds : of CPU. stopped : what stopped it.
    """

    what: str
    chunks: int = 0
    word: bool = False
    again: bool = False
    quarantined: int = 0
    seconds: float = 0.0
    stopped: str = ""

    def __str__(self) -> str:
        chunks = f", {self.chunks:,} chunks" if self.chunks else ""
        told = f"REFUSED {self.stopped}" if self.stopped else f"ok{chunks}, {self.seconds:.1f} CPU s"
        more = [
            *(["a shrink, by word"] if self.word else []),
            *(["trained anew"] if self.again else []),
            *([f"{self.quarantined} in quarantine"] if self.quarantined else []),
        ]
        return f"{self.what} {told}" + (f" ({', '.join(more)})" if more else "")


class ProjectFolder:
    """`corpus` below `path` is what is indexed; each document that a command told is kept below `told`."""

    def __init__(self, path: Path) -> None:
        self.path, self.corpus = path, path / "corpus"
        self._number = 0

    def configure(self, encoder: str, sources: Sequence[dict[str, Any]] | None = None) -> None:
        """As `init` proposes, but for the encoder, and for the sources where they are given. Where it finds nothing to
        index there is no configuration."""
        self.run("init", *(["--create"] if sources else []))
        if self._file.exists():
            own = {} if sources is None else {"sources": list(sources)}
            self.write_settings({**self.settings(), "encoder": ENCODERS[encoder], **own})

    @property
    def configured(self) -> bool:
        return self._file.exists()

    def settings(self) -> dict[str, Any]:
        found: dict[str, Any] = yaml.safe_load(self._file.read_text("utf-8"))
        return found

    def write_settings(self, settings: dict[str, Any]) -> None:
        self._file.write_text(yaml.safe_dump(settings, sort_keys=False, allow_unicode=True), "utf-8")

    @property
    def _file(self) -> Path:
        return self.path / "xtr.yaml"

    def build(self, what: str, *options: str) -> Built:
        """`build`, and where a loss alone stopped it once more with a person's word."""
        before = _seconds()
        found = self.run("build", "--json", *options)
        word = [one["name"] for one in blocking(found)] == ["nothing_vanished"]
        if word:
            names = re.findall(r"--accept-shrink (\S+)", blocking(found)[0]["remedy"])
            asked = [option for name in names for option in ("--accept-shrink", name)]
            found = self.run("build", "--json", *options, *asked, "--reason", f"as it is in {what}")
        return built(what, found, word, _seconds() - before)

    def command(self, what: str, *words: str) -> Built:
        """Another command that tells what it did, which has to go well."""
        before = _seconds()
        return built(what, self.run(*words, "--json"), False, _seconds() - before)

    def run(self, *words: str) -> dict[str, Any]:
        """What a command says as JSON; of one that ended without, its error in place of a check that failed."""
        done = subprocess.run([*COMMAND, *words], cwd=self.path, capture_output=True, text=True, check=False)
        told: Any = json.loads(done.stdout) if done.stdout.startswith(("{", "[")) else {}
        found = {"failed": [], **told} if isinstance(told, dict) else {"failed": [], "list": told}
        if done.returncode and not blocking(found):
            found["failed"] = [{"name": words[0], "summary": " ".join(done.stderr.split())[-400:] or "no word of why"}]
        self._keep(words, found, done.stderr)
        return found

    def _keep(self, words: tuple[str, ...], found: dict[str, Any], errors: str) -> None:
        self._number += 1
        path = self.path / "told" / f"{self._number:03d}-{words[0]}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"words": words, "stderr": errors, **found}, indent=1, ensure_ascii=False), "utf-8")


def blocking(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The checks that failed and stop a build."""
    return [one for one in found["failed"] if one.get("blocking", True)]


def built(what: str, found: dict[str, Any], word: bool, seconds: float) -> Built:
    """In one line."""
    return Built(
        what,
        chunks=int(found.get("live_rows") or 0),
        word=word,
        again=bool(found.get("refused")),
        quarantined=len(found.get("intake", {}).get("quarantine", ())),
        seconds=seconds,
        stopped="; ".join(f"{one['name']}: {one['summary']}" for one in blocking(found)),
    )


def _seconds() -> float:
    """CPU seconds of all commands so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
