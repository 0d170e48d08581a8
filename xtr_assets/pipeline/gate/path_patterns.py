"""A second reading of `include` and `exclude`, name by name, as docs/configuration.md says them: what `source_agrees`
lists the files of a source by. Nothing of `sources` is called."""

import re
from fnmatch import fnmatchcase
from unicodedata import normalize

from xtr_assets.config import SourceConfig

# What a kind reads where no pattern says more.
SUFFIXES: dict[str, tuple[str, ...]] = {
    "python": (".py",),
    "code": (
        *(".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx", ".go", ".rs", ".java", ".c", ".h", ".cc"),
        *(".cpp", ".cxx", ".hh", ".hpp", ".hxx", ".cs", ".rb", ".php", ".kt", ".kts", ".swift", ".scala", ".sh"),
        *(".bash", ".sql", ".ipp", ".tcc", ".inl", ".cu", ".cuh", ".lua", ".dart", ".r", ".ex", ".exs"),
        *(".m", ".mm", ".jl", ".pl", ".pm", ".zig", ".proto", ".graphql", ".gql", ".tf", ".hcl", ".ps1", ".psm1"),
        *(".erl", ".hrl", ".ml", ".sol", ".hs", ".purs", ".elm", ".fs", ".fsx", ".nix", ".jsonnet", ".libsonnet"),
        *(".clj", ".cljs", ".cljc", ".el", ".lisp", ".lsp", ".asd", ".scm", ".ss", ".sld", ".sps", ".rkt"),
        *(".css", ".less", ".scss", ".bzl", ".star", ".bazel", ".f90", ".f95", ".f03", ".f08", ".nim"),
        *(".pas", ".dpr", ".lpr", ".adb", ".ads", ".v", ".sv", ".vh", ".svh", ".vhd", ".vhdl", ".glsl", ".vert"),
        *(".frag", ".comp", ".geom", ".hlsl", ".wgsl", ".thrift", ".prisma", ".tcl", ".vim", ".fish", ".zsh"),
        *(".rego", ".gd", ".vue", ".svelte", ".astro"),
    ),
    "text": (
        *(".md", ".markdown", ".mdx", ".qmd", ".rmd", ".txt", ".rst", ".ipynb"),
        *(".adoc", ".asciidoc", ".asc", ".org", ".tex", ".latex"),
        *(".html", ".htm", ".xhtml", ".docx", ".odt", ".pptx", ".epub", ".pdf"),
    ),
    "config": (
        *(".yml", ".yaml", ".toml", ".ini", ".cfg", ".conf", ".properties", ".dockerfile", ".mk", ".cmake", ".gradle"),
    ),
    "records": (".jsonl", ".ndjson", ".csv", ".tsv", ".xlsx", ".parquet", ".pq"),
}
SUFFIXES["mixed"] = (*SUFFIXES["python"], *SUFFIXES["code"], *SUFFIXES["config"], *SUFFIXES["text"])
# Files of configuration by their whole names; hidden ones by where they lie, where no pattern says more; and what is
# none whatever its suffix.
NAMES = (
    *("Dockerfile", "Dockerfile.*", "Containerfile", "Containerfile.*", "Makefile", "makefile", "GNUmakefile"),
    *("Makefile.*", "CMakeLists.txt", "Jenkinsfile", "Procfile", "Vagrantfile", "package.json", "tsconfig*.json"),
    *("jsconfig*.json", "composer.json", "deno.json", "deno.jsonc", "devcontainer.json", "appsettings*.json"),
    *("angular.json", "nx.json", "turbo.json", "lerna.json", "firebase.json", "vercel.json", "renovate.json"),
    *("biome.json", "nodemon.json", "app.json", "manifest.json", "CMakePresets.json", "global.json"),
    *("launchSettings.json", "babel.config.json"),
)
HIDDEN = (
    *("**/.github/**/*.yml", "**/.github/**/*.yaml", "**/.circleci/**/*.yml", "**/.circleci/**/*.yaml"),
    *("**/.gitlab/**/*.yml", "**/.gitlab/**/*.yaml", "**/.*.yml", "**/.*.yaml", "**/.*.toml"),
    *("**/.cargo/config.toml", "**/.devcontainer/**/devcontainer.json", "**/.editorconfig", "**/.flake8"),
    *("**/.pylintrc", "**/.coveragerc", "**/.clang-format", "**/.clang-tidy", "**/.eslintrc.json"),
    *("**/.prettierrc.json", "**/.stylelintrc.json", "**/.babelrc.json", "**/.mocharc.json", "**/.nycrc.json"),
    *("**/.releaserc.json", "**/.markdownlint.json"),
)
_NEVER = (
    *("pnpm-lock.yaml", "*-lock.yml", "*-lock.yaml", "*.lock.yml", "*.lock.yaml", "*.lock.toml", ".env.*"),
    *("*.env.yml", "*.env.yaml", "secrets.y*ml", ".secrets.y*ml", "secret.y*ml", "*.secret.y*ml", "*.secrets.y*ml"),
    *("*-secret.y*ml", "*-secrets.y*ml", "secrets.toml", ".secrets.toml", "credentials.y*ml", "credentials.toml"),
    *("credentials.ini", "*.sops.y*ml", "*.enc.y*ml", "vault.y*ml", ".vault.y*ml", "local.properties"),
    *("*_secret.y*ml", "*_secrets.y*ml", "secrets.ini", "secrets.cfg", "secrets.conf", "secrets.properties"),
    *("cmake_install.cmake", "CTestTestfile.cmake", "appsettings.secrets.json"),
)
# The largest file of each kind that is read where no setting says another.
MOST_BYTES: dict[str, int] = {"python": 2 * 1024**2, "code": 2 * 1024**2, "config": 1024**2, "text": 32 * 1024**2}
# Copies, caches and other people's code, and what lies at the top of a disk.
_CACHES = ("__pycache__", "site-packages", "dist-packages", "node_modules", "lost+found")
_WILD = re.compile(r"[*?\[]")

Names = tuple[str, ...]


def kind_of(config: SourceConfig, path: str) -> str:
    """What a file holds: what its source says, or of mixed ones what its suffix says."""
    if config.holds != "mixed":
        return config.holds
    name = path.lower()
    found = next((kind for kind in ("python", "code", "config") if name.endswith(SUFFIXES[kind])), "text")
    return "config" if found == "text" and _is_known(path.split("/")[-1], hidden=True) else found


def _is_known(name: str, *, hidden: bool = False) -> bool:
    """Whether a file is configuration by its whole name."""
    known = (*NAMES, *(one.split("/")[-1] for one in HIDDEN)) if hidden else NAMES
    return any(fnmatchcase(_lowered(name), pattern) for pattern in known)


def most_bytes_of(config: SourceConfig, path: str) -> int | None:
    """The size above which a file is not looked into."""
    return config.max_file_bytes or MOST_BYTES.get(kind_of(config, path))


class PathPatterns:
    """The patterns of a source. A path is taken as its names, from the source's root on."""

    def __init__(self, config: SourceConfig) -> None:
        self.suffixes = SUFFIXES[config.holds]
        self._include = [_names(pattern) for pattern in config.include]
        self._exclude = [_names(pattern) for pattern in config.exclude]
        # What is known of the names of files beside their suffixes.
        self._knows = config.holds in ("config", "mixed")
        known = [tuple(pattern.split("/")) for pattern in HIDDEN] if self._knows and not config.include else []
        self._known_hidden = known
        self._said = {name for names in (*self._include, *known) for name in names}

    def passes(self, name: str) -> bool:
        """Whether a file or folder of this name is looked at: hidden ones and caches are only where they are named."""
        if name in _CACHES or (self._knows and any(fnmatchcase(name.lower(), never.lower()) for never in _NEVER)):
            return name in self._said
        name = normalize("NFC", name)
        hidden = [said for said in self._said if said[0] == "."]
        return not name.startswith(".") or any(
            fnmatchcase(name, said) or fnmatchcase(_lowered(name), _lowered(said)) for said in hidden
        )

    def shuts(self, folder: Names) -> bool:
        """Whether all below a folder is excluded."""
        return any(_is_below(pattern, (*_composed(folder), "any")) for pattern in self._exclude)

    def takes(self, path: Names) -> bool:
        """Whether a file is the source's, by its path alone."""
        path = _composed(path)
        if not all(self.passes(name) for name in path) or any(_excludes(pattern, path) for pattern in self._exclude):
            return False
        read = _lowered(path[-1]).endswith(self.suffixes) or (self._knows and _is_known(path[-1]))
        if not self._include:
            hidden = any(name.startswith(".") for name in path)
            return any(_is_file_of(one, path) for one in self._known_hidden) if hidden else read
        return any(_is_file_of(one, path) or (read and _is_below(one, path)) for one in self._include)


def _composed(names: Names) -> Names:
    """An accent and its letter as one character, as Linux writes them and macOS does not."""
    return tuple(normalize("NFC", name) for name in names)


def _lowered(name: str) -> str:
    """A file's name with its suffix in lower case."""
    found = re.fullmatch(r"(.+)\.([A-Za-z0-9]+)", name, re.DOTALL)
    return f"{found[1]}.{found[2].lower()}" if found else name


def _names(pattern: str) -> Names:
    """The names of a pattern; one that ends in a slash is all below the folder."""
    names = _composed(tuple(name for name in pattern.split("/") if name not in ("", ".")))
    return (*names, "**") if pattern.endswith("/") and names[-1] != "**" else names


def _above(pattern: Names) -> Names | None:
    """The folder that a pattern names, all below which it means; None where it means files."""
    if pattern[-1] == "**":
        return pattern[:-1]
    return None if _WILD.search(pattern[-1]) else pattern


def _excludes(pattern: Names, path: Names) -> bool:
    return _is_file_of(pattern, path) or _is_below(pattern, path)


def _is_file_of(pattern: Names, path: Names) -> bool:
    ends = _lowered(pattern[-1]), _lowered(path[-1])
    return pattern[-1] != "**" and fits((*pattern[:-1], ends[0]), (*path[:-1], ends[1]))


def _is_below(pattern: Names, path: Names) -> bool:
    above = _above(pattern)
    return above is not None and any(fits(above, path[:count]) for count in range(len(path)))


def fits(pattern: Names, path: Names) -> bool:
    """Whether names are those of a pattern, where `**` stands for any number of them."""
    reached = {0}
    for part in pattern:
        if part == "**":
            reached = set(range(min(reached), len(path) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(path) and fnmatchcase(path[at], part)}
        if not reached:
            return False
    return len(path) in reached
