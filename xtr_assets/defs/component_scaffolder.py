"""What `dg scaffold defs xtr_assets.RetrievalIndex NAME` writes: a defs.yaml that says everything, with comments."""

import re
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Annotated, Literal

import dagster as dg
from pydantic import BaseModel, Field

from xtr_assets.config.component_file import default_name


class IndexParameters(BaseModel):
    """Options of the command; every one has a default, and stands in the file for a person to change."""

    path: Annotated[str, Field(description="Folder of the documents, from the project's root.")] = "documents"
    kind: Annotated[Literal["text", "python", "code", "config"], Field(description="What they are.")] = "text"
    encoder: Annotated[Literal["minilm", "hashing"], Field(description="hashing is for trials, it knows no words.")] = (
        "minilm"
    )


class IndexScaffolder(dg.Scaffolder[IndexParameters]):
    """Writes defs.yaml, or component.py for `--format python`."""

    @classmethod
    def get_scaffold_params(cls) -> type[IndexParameters]:
        """The options."""
        return IndexParameters

    def scaffold(self, request: dg.ScaffoldRequest[IndexParameters]) -> None:
        """Write the file; an existing defs.yaml gets the index as one more document."""
        target, python = request.target_path, request.scaffold_format == "python"
        folder = target.parent if request.append else target
        parameters = request.params
        values = {
            **parameters.model_dump(),
            # It stands between quotes of YAML, or of Python.
            "path": parameters.path.replace("\\", "\\\\").replace('"', '\\"'),
            "name": default_name(folder),
            "source": source_name(parameters.path),
        }
        text = Template(_template("component.py.txt" if python else "defs.yaml")).substitute(values)
        folder.mkdir(parents=True, exist_ok=True)
        if request.append:
            held = target.read_text("utf-8")
            end = "" if not held or held.endswith("\n") else "\n"
            with target.open("a", encoding="utf-8") as file:
                # Many an editor ends a file without a line's end: the mark would stand behind its last value.
                file.write(f"{end}---\n{text}")
        else:
            (folder / ("component.py" if python else "defs.yaml")).write_text(text, "utf-8")


def source_name(path: str) -> str:
    """A source's name from its folder's.

    >>> source_name("content/Hand book"), source_name(".")
    ('Hand_book', 'documents')
    """
    name = re.sub(r"[^A-Za-z0-9_.]+", "_", Path(path).name).strip("_.")[:60]
    return name or "documents"


def _template(name: str) -> str:
    return files("xtr_assets").joinpath("templates", name).read_text("utf-8")
