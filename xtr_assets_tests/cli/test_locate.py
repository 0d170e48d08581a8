import errno
from pathlib import Path

import pytest
import yaml

from xtr_assets.cli.locate import dagster_home, find_place, open_warehouse, shown
from xtr_assets.core.cache_place import cache_folder
from xtr_assets.core.errors import ConfigError, WarehouseNotFound

CONFIG = "name: mine\nwarehouse: store\nsources: [{name: a, kind: text, path: .}]\n"


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XTR_ASSETS_CONFIG", raising=False)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return tmp_path


def named(folder: Path, name: str = "xtr.yaml") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(CONFIG)
    return folder / name


def test_without_a_config_the_demo_counts(tmp_path: Path) -> None:
    place = find_place(None, None)
    assert place.config is not None
    assert (place.config.name, place.warehouse) == ("stdlib", tmp_path / "warehouse")


def test_the_option_beats_the_variable_which_beats_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named(tmp_path)
    assert find_place(None, None).warehouse == tmp_path / "store"
    monkeypatch.setenv("XTR_ASSETS_CONFIG", str(named(tmp_path / "by_variable")))
    assert find_place(None, None).warehouse == tmp_path / "by_variable" / "store"
    assert find_place(named(tmp_path / "by_option"), None).warehouse == tmp_path / "by_option" / "store"


def test_a_named_config_that_is_missing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/users/of")
    monkeypatch.setenv("XTR_ASSETS_CONFIG", "~/nowhere.yaml")
    # Services read variables from files in which no shell fills in a ~.
    with pytest.raises(ConfigError, match=r"no config at /users/of/nowhere\.yaml, which \$XTR_ASSETS_CONFIG names"):
        find_place(None, None)
    monkeypatch.setenv("XTR_ASSETS_CACHE", "~/cache")
    assert cache_folder() == Path("/users/of/cache")
    # Where nobody has that home it is neither a traceback nor, unsaid, the folder of temporary files.
    for variable, asked in (("CONFIG", lambda: find_place(None, None)), ("CACHE", cache_folder)):
        monkeypatch.setenv(f"XTR_ASSETS_{variable}", "~nobody_here/x")
        with pytest.raises(ConfigError, match=rf"\$XTR_ASSETS_{variable} is ~nobody_here/x, .* write the folder out"):
            asked()


def test_a_folder_that_is_closed_to_this_user_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`sudo -u` keeps the folder: another user's home."""

    def closed(path: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", closed)
    with pytest.raises(ConfigError, match=f"this user may not look into {tmp_path},.* run this in another folder"):
        find_place(None, tmp_path / "other")


def test_a_relative_cache_of_xdg_counts_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XTR_ASSETS_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    assert cache_folder() == tmp_path / "home" / ".cache" / "xtr-assets"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert cache_folder() == tmp_path / "cache" / "xtr-assets"


def test_another_warehouse_is_not_held_against_the_sources_of_this_folder(tmp_path: Path) -> None:
    config = named(tmp_path)
    assert find_place(None, tmp_path / "other").config is None
    assert find_place(None, tmp_path / "store").config is not None
    assert find_place(config, tmp_path / "other").config is not None


def test_a_missing_warehouse_says_how_one_comes_to_be() -> None:
    with pytest.raises(WarehouseNotFound, match=r"no warehouse at warehouse; `xtr-assets demo`"):
        open_warehouse(find_place(None, None))


def test_a_warehouse_that_a_configuration_names_is_built_by_it(tmp_path: Path) -> None:
    config = named(tmp_path)
    with pytest.raises(WarehouseNotFound, match=r"store; `xtr-assets build` makes it, as \S+ says") as told:
        open_warehouse(find_place(config, None))
    assert "demo" not in str(told.value)


def test_the_dagster_home_is_where_dagster_yaml_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, above = tmp_path / "above" / "project", tmp_path / "above"
    project.mkdir(parents=True)
    assert dagster_home([project, above], project) == (project, True)
    assert yaml.safe_load((project / "dagster.yaml").read_text())["telemetry"] == {"enabled": False}
    assert dagster_home([project, above], project) == (project, False)
    (project / "dagster.yaml").rename(above / "dagster.yaml")
    assert dagster_home([project, above], project) == (above, False)
    monkeypatch.setenv("DAGSTER_HOME", "/elsewhere")
    assert dagster_home([project, above], project) == (Path("/elsewhere"), False)


def test_paths_are_shown_from_the_current_folder(tmp_path: Path) -> None:
    assert shown(tmp_path / "a" / "b") == "a/b"
    assert shown(tmp_path.parent) == str(tmp_path.parent)
