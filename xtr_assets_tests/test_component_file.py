"""A defs.yaml as the shell reads it: without Dagster, in the project's own instance, and running nobody's code."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from xtr_assets.cli.build_run import run_here
from xtr_assets.cli.locate import HOME_VARIABLE, find_place
from xtr_assets.config import config_file, load_config, project_of, read_component
from xtr_assets.core.errors import ConfigError

INDEX: dict[str, Any] = {
    "warehouse": "{{ context.project_root }}/store/{{ env.TIER }}",
    "sources": [{"name": "pages", "kind": "text", "path": "pages"}],
    "encoder": {"kind": "hashing"},
    "owners": ["team:search"],
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Dagster project with one index, and what the environment says of it."""
    (tmp_path / "pyproject.toml").write_text('[tool.dg.project]\nroot_module = "shop"\n')
    component(tmp_path, "hand-book", INDEX)
    monkeypatch.setenv("TIER", "gold")
    monkeypatch.delenv(HOME_VARIABLE, raising=False)
    monkeypatch.delenv("XTR_ASSETS_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def component(root: Path, name: str, attributes: Any, kind: str = "xtr_assets.RetrievalIndex") -> Path:
    folder = root / "src" / "shop" / "defs" / name
    folder.mkdir(parents=True)
    file = folder / "defs.yaml"
    file.write_text(yaml.safe_dump({"type": kind, "attributes": attributes}))
    return file


def test_the_shell_finds_the_index_of_the_project_from_any_folder_of_it(project: Path) -> None:
    component(project, "other", {"model": "x"}, kind="dagster.DefsFolderComponent")
    file = project / "src/shop/defs/hand-book/defs.yaml"
    assert config_file(None, project) == config_file(None, file.parent) == file
    index = load_config(file)
    assert (index.name, index.warehouse) == ("hand_book", project / "store" / "gold")
    assert index.sources[0].path == file.parent / "pages"
    assert find_place(None, None).warehouse == project / "store" / "gold"
    assert read_component(file).prefix == "hand_book_"


def test_a_field_that_there_is_not_is_refused_as_dagster_refuses_it(project: Path) -> None:
    file = component(project, "typo", {**INDEX, "gates": {"shrink": 0.5}})
    with pytest.raises(ConfigError, match=r"defs.yaml: unknown field `attributes.gates`"):
        read_component(file)


def test_an_xtr_yaml_and_a_named_file_go_before_the_component(project: Path) -> None:
    (project / "xtr.yaml").write_text("sources: [{name: a, kind: text, path: a}]\nencoder: {kind: hashing}\n")
    assert config_file(None, project) == project / "xtr.yaml"
    assert config_file(Path("named.yaml"), project) == Path("named.yaml")


def test_of_several_indexes_one_has_to_be_named(project: Path) -> None:
    component(project, "notes", INDEX)
    with pytest.raises(ConfigError, match=r"2 indexes; name one of src/shop/defs/hand-book/defs.yaml, .*notes"):
        config_file(None, project)


def test_without_a_warehouse_it_lies_in_the_project_and_never_among_the_definitions(project: Path) -> None:
    rest = {name: value for name, value in INDEX.items() if name != "warehouse"}
    assert load_config(component(project, "notes", rest)).warehouse == project / "warehouse" / "notes"
    inside = component(project, "inside", {**rest, "warehouse": "store"})
    with pytest.raises(ConfigError, match="all of which Dagster reads at each load"):
        load_config(inside)


@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        ({**INDEX, "recall": {"k": 0}}, r"defs.yaml: `recall.k` is 0: give 1 or more"),
        ({**INDEX, "warehouse": "{{ my_own() }}"}, r"attributes.warehouse is .* which the shell cannot fill in"),
        ({**INDEX, "sources": [{"name": "{% if %}"}]}, r"attributes.sources.0.name is .* cannot fill in"),
        ({**INDEX, "config": "xtr.yaml"}, r"which says it all; remove warehouse, sources, encoder"),
        ({**INDEX, "warehouse": "{{ env.NOT_SET_HERE }}"}, r"attributes.warehouse is .* which is nothing here"),
        ({"config": "nowhere.yaml"}, r"no config at .*nowhere.yaml"),
        (["a"], r"`attributes` is \['a'\]; give a mapping"),
        ({}, r"field `sources` is missing"),
    ],
)
def test_what_is_wrong_is_named(project: Path, attributes: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        load_config(component(project, "wrong", attributes))


def test_a_prefix_that_makes_no_name_in_dagster_is_refused(project: Path) -> None:
    with pytest.raises(ConfigError, match="`prefix` is 'my-': give letters, digits and underscores"):
        read_component(component(project, "wrong", {**INDEX, "prefix": "my-"}))


@pytest.mark.parametrize(
    "code",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ env.__class__.__init__.__globals__ }}",
        "{{ env('HOME').__class__ }}",
        "{{ cycler.__init__.__globals__.os.system('touch made') }}",
    ],
)
def test_a_template_runs_no_code_of_its_own(project: Path, code: str) -> None:
    with pytest.raises(ConfigError, match="which the shell cannot fill in"):
        load_config(component(project, "hostile", {**INDEX, "warehouse": code}))
    assert not (project / "made").exists()


def built(project: Path, config: Path | None = None) -> dict[str, Any]:
    """What a build from the shell is given, and where."""
    import os

    seen: dict[str, Any] = {}

    def work(index: Any, instance: Any, **more: Any) -> Any:
        return seen.update(
            name=index.name, home=Path(os.environ[HOME_VARIABLE]), root=instance().root_directory, **more
        )

    run_here(config, work, quiet=True)
    return seen


def test_a_build_is_recorded_in_the_projects_instance_under_its_names(project: Path) -> None:
    (project / "own").mkdir()
    (project / "own" / "dagster.yaml").touch()
    (project / ".env").write_text("OTHER=1\nDAGSTER_HOME=own\n")
    seen = built(project)
    assert (seen["name"], seen["prefix"]) == ("hand_book", "hand_book_")
    assert seen["home"] == Path(seen["root"]) == project / "own"


def test_an_instance_is_made_at_the_root_and_never_among_the_definitions(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project / "src/shop/defs/hand-book"
    monkeypatch.chdir(folder)
    assert built(project)["home"] == project
    assert (project / "dagster.yaml").is_file()
    # The same of an xtr.yaml that lies among the definitions.
    (folder / "xtr.yaml").write_text("sources: [{name: a, kind: text, path: a}]\nencoder: {kind: hashing}\n")
    monkeypatch.delenv(HOME_VARIABLE)
    assert built(project, folder / "xtr.yaml")["home"] == project
    assert sorted(one.name for one in folder.iterdir()) == ["defs.yaml", "xtr.yaml"]


def test_reading_a_component_imports_no_dagster(project: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from xtr_assets.config import load_config, config_file; "
        "load_config(config_file(None, Path.cwd())); print('dagster' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("text", ["", "[tool.dg]\n", "[tool\n", "[tool]\ndg = 3\n", "[tool.dg]\nproject = []\n"])
def test_a_folder_that_is_no_project_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    assert project_of(tmp_path) is None
    (tmp_path / "pyproject.toml").write_bytes(b"\xff\xfe")
    assert project_of(tmp_path) is None


def test_a_project_may_say_so_in_dg_toml_and_name_its_definitions(tmp_path: Path) -> None:
    (tmp_path / "dg.toml").write_text('[project]\nroot_module = "shop"\ndefs_module = "shop.parts.all"\n')
    (tmp_path / "shop" / "parts" / "all").mkdir(parents=True)
    found = project_of(tmp_path / "shop")
    assert found is not None
    assert (found.root, found.definitions) == (tmp_path, tmp_path / "shop" / "parts" / "all")


def test_of_several_documents_of_a_file_the_index_is_read(project: Path) -> None:
    """`dg scaffold defs` appends to a defs.yaml that is there; and some editors begin each file with a mark."""
    file = project / "src/shop/defs/hand-book/defs.yaml"
    index = file.read_text()
    file.write_text(f"\ufefftype: shop.Other\n---\n{index}")
    assert [source.name for source in load_config(file).sources] == ["pages"]
    assert config_file(None, project) == file
    file.write_text(f"\ufeff{index}")
    assert config_file(None, project) == file
    file.write_text(f"{index}\n---\n{index}")
    with pytest.raises(ConfigError, match="declares 2 indexes, and the shell reads one; give each its own file"):
        load_config(file)
    file.write_text("type: shop.Other\n---\nnothing\n")
    with pytest.raises(ConfigError, match=r"has the type 'shop.Other', 'nothing', xtr_assets.RetrievalIndex is wanted"):
        read_component(file)


@pytest.mark.parametrize("code", ["{{ 1 / 0 }}", "{{ [].pop() }}", "{{ 'a'.encode('x') }}", "{{ range(10 ** 9) }}"])
def test_a_template_that_fails_is_named(project: Path, code: str) -> None:
    file = component(project, "failing", {**INDEX, "warehouse": code})
    with pytest.raises(ConfigError, match=r"attributes\.warehouse is .* which the shell cannot fill in"):
        load_config(file)
