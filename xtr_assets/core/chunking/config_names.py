"""Which files run a project, by their names, and how each is read."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Literal

ConfigStyle = Literal["yaml", "json", "toml", "ini", "docker", "make", "cmake", "braces", "plain"]

_BY_SUFFIX: Mapping[str, ConfigStyle] = {
    ".yml": "yaml", ".yaml": "yaml", ".toml": "toml", ".ini": "ini", ".cfg": "ini", ".conf": "ini",
    ".properties": "plain", ".dockerfile": "docker", ".mk": "make", ".cmake": "cmake", ".gradle": "braces",
}  # fmt: skip
CONFIG_SUFFIXES = tuple(_BY_SUFFIX)
# Of JSON only what is surely a project's own by its name: elsewhere it is data.
_JSON = (
    "package.json", "tsconfig*.json", "jsconfig*.json", "composer.json", "deno.json", "deno.jsonc", "devcontainer.json",
    "appsettings*.json", "angular.json", "nx.json", "turbo.json", "lerna.json", "firebase.json", "vercel.json",
    "renovate.json", "biome.json", "nodemon.json", "app.json", "manifest.json", "CMakePresets.json", "global.json",
    "launchSettings.json", "babel.config.json", ".eslintrc.json", ".prettierrc.json", ".stylelintrc.json",
    ".babelrc.json", ".mocharc.json", ".nycrc.json", ".releaserc.json", ".markdownlint.json",
)  # fmt: skip
_BY_NAME: Mapping[str, ConfigStyle] = {
    **dict.fromkeys(("Dockerfile", "Dockerfile.*", "Containerfile", "Containerfile.*"), "docker"),
    **dict.fromkeys(("Makefile", "makefile", "GNUmakefile", "Makefile.*"), "make"),
    "CMakeLists.txt": "cmake",
    "Jenkinsfile": "braces",
    **dict.fromkeys(("Procfile", "Vagrantfile"), "plain"),
    **dict.fromkeys(_JSON, "json"),
    **dict.fromkeys((".editorconfig", ".flake8", ".pylintrc", ".coveragerc"), "ini"),
    **dict.fromkeys((".clang-format", ".clang-tidy"), "yaml"),
}
CONFIG_NAMES = tuple(name for name in _BY_NAME if not name.startswith("."))
# Hidden files are part of a source where `include` names them. These are, where it names nothing: people ask for them.
HIDDEN_CONFIG = (
    *(f"**/{folder}/**/*.{suffix}" for folder in (".github", ".circleci", ".gitlab") for suffix in ("yml", "yaml")),
    *(f"**/.*.{suffix}" for suffix in ("yml", "yaml", "toml")),
    "**/.cargo/config.toml",
    "**/.devcontainer/**/devcontainer.json",
    *(f"**/{name}" for name in _BY_NAME if name.startswith(".")),
)
# Lock files, which tools write and nobody asks for, and files that hold secrets by convention.
NEVER_CONFIG = (
    "pnpm-lock.yaml", "*-lock.yml", "*-lock.yaml", "*.lock.yml", "*.lock.yaml", "*.lock.toml", ".env.*", "*.env.yml",
    "*.env.yaml", "secrets.y*ml", ".secrets.y*ml", "secret.y*ml", "*.secret.y*ml", "*.secrets.y*ml", "*-secret.y*ml",
    "*-secrets.y*ml", "secrets.toml", ".secrets.toml", "credentials.y*ml", "credentials.toml", "credentials.ini",
    "*_secret.y*ml", "*_secrets.y*ml", "secrets.ini", "secrets.cfg", "secrets.conf", "secrets.properties",
    "*.sops.y*ml", "*.enc.y*ml", "vault.y*ml", ".vault.y*ml", "local.properties", "cmake_install.cmake",
    "CTestTestfile.cmake", "appsettings.secrets.json",
)  # fmt: skip


def config_style(path: str) -> ConfigStyle | None:
    """How a file is read; None of one that is no configuration by its name.

    >>> config_style("deploy/web.YAML"), config_style("Dockerfile.dev"), config_style("data.json")
    ('yaml', 'docker', None)
    """
    name = PurePosixPath(path).name
    named = next((style for pattern, style in _BY_NAME.items() if fnmatchcase(name, pattern)), None)
    return named or _BY_SUFFIX.get(PurePosixPath(path).suffix.lower())
