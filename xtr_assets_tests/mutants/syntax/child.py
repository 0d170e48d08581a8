"""`python child.py FOLDER RUN LISTS PAPERS TRUTH LINES`: one build in a project with the package that is imported.

Prints `RESULT {json}`: published, what stopped it, harm. With a file for LINES ("" for none) the lines of the package
that ran are written into it.
"""

import json
import os
import pickle
import sys
import threading
import traceback
from pathlib import Path
from types import FrameType
from typing import Any

from xtr_assets.core.errors import PublishRefused, XtrAssetsError
from xtr_assets.pipeline.gate.registry import requirement
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.life import steps
from xtr_assets_tests.mutants import trial
from xtr_assets_tests.mutants.corpus import Corpus

PACKAGE = str(Path(sys.modules["xtr_assets"].__file__ or "").resolve().parent) + os.sep


def main(folder: str, run: str, lists: str, papers: str, truth: str, lines: str) -> None:
    found: dict[str, Any] = {"published": False, "stopped": [], "message": "", "harm": [], "package": PACKAGE}
    ran: set[tuple[str, int]] = set()
    if lines:
        _trace(ran)
    corpus = Corpus(Path(folder), "auto", bool(papers))
    try:
        with trial.reading_lists(bool(lists)):
            warehouse = Warehouse.create(corpus.path(trial.WAREHOUSE), exist_ok=True)
            try:
                _build(warehouse, corpus, run)
            except XtrAssetsError as error:
                failed = trial._failed(warehouse) if isinstance(error, PublishRefused) else ()
                found |= {"message": str(error)[:600], "stopped": list(failed) or [type(error).__name__]}
            sys.settrace(None)
            found["published"] = not found["stopped"]
            if found["published"] and not lines:
                found["harm"] = trial._harm(pickle.loads(Path(truth).read_bytes()), warehouse)
    except BaseException as error:
        found |= {"published": False, "stopped": [type(error).__name__], "message": traceback.format_exc()[-600:]}
    if lines:
        Path(lines).write_text(json.dumps(sorted(ran)))
    print("RESULT " + json.dumps(found), flush=True)
    # Threads of what failed must not keep the trial.
    os._exit(0)


def _build(warehouse: Warehouse, corpus: Corpus, run: str) -> None:
    if run == "transfer":
        warehouse.import_generation(corpus.path("export"))
        warehouse.publish(2, required=requirement(corpus.config), who="faults")
    elif run == "compaction":
        assert steps.compact(warehouse, corpus.config, whole=True).generation is not None, "nothing was compacted"
    else:
        built = steps.build(warehouse, corpus.config, whole=True, accepting=False)
        assert built.generation is not None, f"nothing was built: {built.reason}"


def _trace(ran: set[tuple[str, int]]) -> None:
    def line(frame: FrameType, event: str, _: object) -> Any:
        if event == "line":
            ran.add((frame.f_code.co_filename.removeprefix(PACKAGE), frame.f_lineno))
        return line

    def call(frame: FrameType, _event: str, _: object) -> Any:
        return line if frame.f_code.co_filename.startswith(PACKAGE) else None

    sys.settrace(call)
    threading.settrace(call)


if __name__ == "__main__":
    main(*sys.argv[1:])
