"""`python -m xtr_assets_tests.mutants.syntax.child FOLDER RUN LISTS FILES`: one build in a project.

Prints `RESULT {json}`: what stopped it, and where the package lies that built.
"""

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any, cast

from xtr_assets.core.errors import PublishRefused, XtrAssetsError
from xtr_assets.pipeline.gate.registry import requirement
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.life import steps
from xtr_assets_tests.mutants import trial
from xtr_assets_tests.mutants.corpus import Corpus
from xtr_assets_tests.mutants.fault import Files

PACKAGE = str(Path(sys.modules["xtr_assets"].__file__ or "").resolve().parent)


def main(folder: str, run: str, lists: str, files: str) -> None:
    found: dict[str, Any] = {"stopped": [], "message": "", "package": PACKAGE}
    corpus = Corpus(Path(folder), "auto", cast("Files", files))
    try:
        with trial.reading_lists(bool(lists)):
            warehouse = Warehouse.create(corpus.path(trial.WAREHOUSE), exist_ok=True)
            try:
                _build(warehouse, corpus, run)
            except XtrAssetsError as error:
                failed = trial._failed(warehouse) if isinstance(error, PublishRefused) else ()
                found |= {"message": str(error)[:600], "stopped": list(failed) or [type(error).__name__]}
    except BaseException as error:
        found |= {"stopped": [type(error).__name__], "message": traceback.format_exc()[-600:]}
    print("RESULT " + json.dumps(found), flush=True)
    # Threads of what failed must not keep the trial.
    os._exit(0)


def _build(warehouse: Warehouse, corpus: Corpus, run: str) -> None:
    """What finds nothing to do ends well, as the command does: whether that was right the oracle says."""
    if run == "transfer":
        warehouse.import_generation(corpus.path("export"))
        warehouse.publish(2, required=requirement(corpus.config), who="faults")
    elif run == "compaction":
        steps.compact(warehouse, corpus.config, whole=True)
    else:
        steps.build(warehouse, corpus.config, whole=True, accepting=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
