"""What the documents point at is there: files, headings, and dotted names of the code."""

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "benchmarks/*.md", "native/*.md", ".github/**/*.md")
    for path in ROOT.glob(pattern)
)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
LAYERS = "core|config|sources|encoders|index|storage|search|pipeline|client|server|defs|cli|telemetry"
DOTTED = re.compile(rf"`((?:xtr_assets\.)?(?:{LAYERS})(?:\.\w+)+)(?:\([^`]*\))?`")
# Fields of xtr.yaml, spans and attributes, a file of Dagster's, which look like names of modules.
OTHER = re.compile(r"(search\.(search|searcher)|config\.\w+|defs\.yaml)$")


def prose(path: Path) -> str:
    """The text without its code blocks."""
    return re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(path: Path) -> set[str]:
    """Of its headings, as GitHub writes them."""
    headings = re.findall(r"^#+ (.*)$", prose(path), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def problem(page: Path, target: str) -> str | None:
    """Why a link leads nowhere, None where it leads somewhere, or outside."""
    if re.match(r"[a-z]+:", target):
        return None
    name, _, anchor = target.partition("#")
    path = (page.parent / name).resolve() if name else page
    if not path.is_relative_to(ROOT) or not path.exists():
        return f"no file {name}"
    if anchor and anchor not in anchors(path):
        return f"no heading #{anchor} in {path.name}"
    return None


def resolves(dotted: str) -> bool:
    """Whether a name below the package is a module, or stands in one."""
    parts = dotted.removeprefix("xtr_assets.").split(".")
    for end in range(len(parts), 0, -1):
        try:
            value: object = import_module(".".join(("xtr_assets", *parts[:end])))
        except ModuleNotFoundError:
            continue
        for name in parts[end:]:
            value = getattr(value, name, None)
        return value is not None
    return False


def test_there_are_pages() -> None:
    assert {"README.md", "docs/gate.md", "docs/dev/trials.md"} <= {page.relative_to(ROOT).as_posix() for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    found = {target: problem(page, target) for target in LINK.findall(prose(page))}
    assert {target: why for target, why in found.items() if why} == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_names_of_the_code_are_there(page: Path) -> None:
    names = {name for name in DOTTED.findall(prose(page)) if not OTHER.search(name)}
    assert not [name for name in sorted(names) if not resolves(name)], "moved or renamed: correct the page"


def test_the_rules_find_what_breaks_them(tmp_path: Path) -> None:
    readme = ROOT / "README.md"
    assert problem(readme, "docs/none.md") and problem(readme, "docs/gate.md#none") and problem(readme, "../else.md")
    assert problem(readme, "https://dagster.io") is None and problem(readme, "docs/gate.md") is None
    assert resolves("index.dense.tuner") and resolves("xtr_assets.search.open") and not resolves("index.choosing.x")
    assert LINK.findall("see [a](b.md), ![c](d.png)") == ["b.md", "d.png"]
    page = tmp_path / "page.md"
    page.write_text("# A head: `of` it\n```\n# no head\n```\n", "utf-8")
    assert anchors(page) == {"a-head-of-it"}


SOURCES = sorted(
    path
    for folder, ending in (("xtr_assets", "py"), ("benchmarks", "py"), ("native", "hpp"), ("native", "cpp"))
    for path in (ROOT / folder).rglob(f"*.{ending}")
)
NAMED = re.compile(r"(?<![\w/.*<-])((?:[a-z_0-9]+/)*[a-z_0-9]+\.(?:py|md|cpp|hpp))\b(?!\w)")
# Files of somebody's corpus in doctests, and of Python.
EXAMPLES = {
    *("a.py", "asyncio/tasks.py", "datetime.py", "decoder.py", "guide/install.md", "json/decoder.py", "pathlib.py"),
    *("rust/x.py", "src/x.py", "tasks.py", "x.py", "pkg/tests/x.py", "latest/x.py", "testing/x.py", "contest.py"),
    *("conf.py", "setup.py", "tests/data.md"),
}


def named_files(text: str) -> set[str]:
    """Files that a text names as `late/tuner.py` or `tuner.py`."""
    return set(NAMED.findall(text)) - EXAMPLES


def test_files_that_the_code_names_are_there() -> None:
    there = {path.relative_to(ROOT).as_posix() for path in (*SOURCES, *ROOT.glob("docs/**/*.md"), *PAGES)}
    there |= {path.relative_to(ROOT).as_posix() for path in (ROOT / "xtr_assets_tests").rglob("*.py")}
    lost = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in SOURCES
        for name in named_files(path.read_text("utf-8"))
        if not any(one == name or one.endswith(f"/{name}") for one in there)
    }
    assert not lost, "moved or renamed"
    assert named_files("# see index/late/tuner.py, and other.py.") == {"index/late/tuner.py", "other.py"}
