"""The site that `make docs` makes: whole, strict, as CommonMark reads the pages, and with nothing from elsewhere."""

import re
import shutil
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt

from xtr_assets_tests.reference_pages import PAGES as REFERENCE
from xtr_assets_tests.site_hooks import relinked, set_off
from xtr_assets_tests.test_links import ROOT

pytest.importorskip("material", reason="the extra `docs`: no site is made here")
commands = pytest.importorskip("mkdocs.commands.build")
config_module = pytest.importorskip("mkdocs.config")
exceptions = pytest.importorskip("mkdocs.exceptions")

# What a browser loads by itself.
LOADED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "object": "data"}
# What has to be as often in a page of the site as CommonMark has it.
COUNTED = ("table", "tr", "pre", "li", "h1", "h2", "h3", "h4", "blockquote", "img")


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_MKDOCS_2_WARNING", "1")
        yield


def build(folder: Path, site: Path) -> None:
    """The site of `folder`, where mkdocs.yml lies. Raises Abort where anything is amiss."""
    commands.build(config_module.load_config(str(folder / "mkdocs.yml"), site_dir=str(site)))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "site"
    build(ROOT, folder)
    return folder


class Tags(HTMLParser):
    """Elements of a page, of its article alone where it has one; addresses that a browser loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        self.loaded: list[str] = []
        self._inside = "<article" not in text
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._inside = self._inside or tag == "article"
        if self._inside:
            # A drawing stands in the page in place of its picture.
            drawn = tag == "svg" and "drawn" in (given.get("class") or "").split()
            self.counts["img" if drawn else tag] += 1
        if tag in LOADED and given.get("rel") not in ("next", "prev", "canonical"):
            self.loaded.append(given.get(LOADED[tag]) or "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "article":
            self._inside = False


def test_every_page_is_made_and_reached(site: Path) -> None:
    sources = {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")}
    assert len(sources) > 30
    for source in sources:
        made = source.with_name("index.html") if source.name == "README.md" else source.with_suffix(".html")
        assert (site / made).is_file(), source
    start = (site / "index.html").read_text("utf-8")
    unreached = [one for one in sources if one.name != "README.md" and one.with_suffix(".html").as_posix() not in start]
    assert unreached == []


def test_nothing_comes_from_elsewhere(site: Path) -> None:
    pages = [*site.rglob("*.html")]
    loaded = {(page.name, one) for page in pages for one in Tags(page.read_text("utf-8")).loaded}
    assert len(loaded) > 100
    assert [one for one in loaded if re.match(r"(\w+:)?//", one[1])] == []
    sheets = "".join(path.read_text("utf-8") for path in site.rglob("*.css"))
    assert sheets and not re.search(r"(url\(|@import)\s*['\"]?(https?:)?//", sheets)
    # What the theme would fetch when it is asked to: drawings by mermaid are none of ours.
    assert not any('class="mermaid"' in page.read_text("utf-8") for page in pages)


def test_a_page_is_what_commonmark_makes_of_it(site: Path) -> None:
    reader = MarkdownIt("commonmark").enable("table")
    wrong = {}
    for source in (ROOT / "docs").rglob("*.md"):
        name = source.relative_to(ROOT / "docs")
        made = site / (name.with_name("index.html") if name.name == "README.md" else name.with_suffix(".html"))
        wanted = Tags(reader.render(source.read_text("utf-8"))).counts
        found = Tags(made.read_text("utf-8")).counts
        differ = {tag: (wanted[tag], found[tag]) for tag in COUNTED if wanted[tag] != found[tag]}
        if differ:
            wrong[name.as_posix()] = differ
    assert wrong == {}


def test_files_outside_of_the_documents_come_along(site: Path) -> None:
    assert (site / "repository" / "deploy" / "live-recall.rules.yaml").is_file()
    assert "repository/index.html" in (site / "index.html").read_text("utf-8")
    # And lead back.
    assert "../tutorial.html" in (site / "repository" / "index.html").read_text("utf-8")


def test_drawings_take_the_colours_of_the_page(site: Path) -> None:
    page = (site / "concepts.html").read_text("utf-8")
    assert page.count('<svg role="img" aria-label="') == 4
    assert "prefers-color-scheme: dark){.drawn" not in page.replace("scheme:dark", "scheme: dark")
    names = set(re.findall(r"var\(--(\w+)\)", page))
    sheet = (site / "assets" / "site.css").read_text("utf-8")
    for scheme in ("default", "slate"):
        (rule,) = re.findall(rf'scheme="{scheme}"\] svg\.drawn {{(.*?)}}', sheet)
        assert set(re.findall(r"--(\w+):", rule)) == names


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A repository of two pages with our settings."""
    root = tmp_path / "repository"
    settings = (ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:\n")[0]
    hooks = f"hooks: [{ROOT / 'xtr_assets_tests' / 'site_hooks.py'}]"
    # Of the theme nothing is looked at here, and it takes half a second.
    theme = f"theme: {{name: null, custom_dir: {root / 'theme'}}}\n"
    for begins, instead in (("hooks:", f"{hooks}\n"), ("theme:", theme), ("plugins:", "plugins: []\n")):
        settings, count = re.subn(rf"^{begins}.*\n(?:[ #].*\n|\n(?= ))*", instead, settings, flags=re.MULTILINE)
        assert count == 1, begins
    (root / "theme").mkdir(parents=True)
    (root / "theme" / "main.html").write_text("{{ page.content }}")
    (root / "mkdocs.yml").write_text(settings + "\nnav: [README.md, two.md]\n")
    shutil.copytree(ROOT / "docs" / "assets", root / "docs" / "assets")
    (root / "docs" / "README.md").write_text("# One\nSee [two](two.md#a-part) and [three](../three.md).\n")
    (root / "docs" / "two.md").write_text("# Two\n\n## A part\nBack to [one](README.md).\n")
    (root / "three.md").write_text("# Three\nOf [two](docs/two.md), under a [license](LICENSE).\n")
    (root / "LICENSE").write_text("Free\n")
    (tmp_path / "beside.md").write_text("# Of somebody else\n")
    return root


def test_a_small_site_is_whole(small: Path, tmp_path: Path) -> None:
    build(small, tmp_path / "site")
    assert "../two.html" in (tmp_path / "site" / "repository" / "three.html").read_text("utf-8")
    assert (tmp_path / "site" / "repository" / "LICENSE").read_text() == "Free\n"


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("docs/two.md", "[lost](three.md)"),
        ("docs/two.md", "[lost](../none.md)"),
        ("docs/two.md", "[of another](../../beside.md)"),
        ("docs/two.md", "[lost](README.md#none)"),
        ("docs/two.md", "[lost](#none)"),
        ("docs/two.md", "![lost](figures/none.png)"),
        ("docs/three.md", "# A page that nobody finds"),
        ("three.md", "[lost](docs/none.md)"),
        ("mkdocs.yml", "nav: [README.md, two.md, none.md]"),
        ("mkdocs.yml", "no_such_setting: 1"),
    ],
)
def test_a_site_that_is_not_whole_is_not_made(small: Path, tmp_path: Path, page: str, text: str) -> None:
    path = small / page
    before = path.read_text() if path.exists() else ""
    path.write_text(re.sub(r"^nav: .*\n", "", before, flags=re.MULTILINE) if text.startswith("nav") else before)
    path.write_text(f"{path.read_text()}\n{text}\n")
    with pytest.raises(exceptions.Abort):
        build(small, tmp_path / "site")


def test_links_in_code_are_code() -> None:
    text = "`[a](two.md)` and\n```\n[b](../three.md)\n- x\n```\n`a\nb` [c](../LICENSE)\n"
    assert relinked(ROOT, text, "docs/README.md") == text.replace("../LICENSE", "repository/LICENSE")
    assert set_off(text) == text


@pytest.mark.parametrize("page", REFERENCE)
def test_a_reference_is_what_the_code_says(page: str) -> None:
    assert (ROOT / "docs" / page).read_text("utf-8") == REFERENCE[page](), "run `make docs`"


def test_the_settings_are_read_without_running_anything() -> None:
    text = (ROOT / "mkdocs.yml").read_text("utf-8")
    # One tag of Python, which MkDocs wants for the anchors.
    assert re.findall(r"!!python\S*", text) == ["!!python/object/apply:pymdownx.slugs.slugify"]
    assert yaml.safe_load(text.replace("!!python/object/apply:pymdownx.slugs.slugify ", ""))["strict"] is True
