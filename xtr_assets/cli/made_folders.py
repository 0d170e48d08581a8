"""Folders that hold other people's code or what tools made: by name, by what lies beside them, by what lies in them;
and files that tools made, by name."""

import os
from collections.abc import Collection
from fnmatch import fnmatchcase
from pathlib import Path

from xtr_assets.sources.globs import LEFT_OUT

# Wherever they stand. Hidden ones (.tox, .next, .gradle, .terraform, .venv) are no part of any source anyway.
NAMES = (
    *sorted(LEFT_OUT),
    *("dist", "_build", "htmlcov", "*.egg-info", "*.dist-info", "__pypackages__"),
    *("bower_components", "jspm_packages", "elm-stuff", "storybook-static", "DerivedData", "cmake-build-*", "_deps"),
    *("zig-out", "zig-cache", "dist-newstyle", "buck-out", "nimcache", "_opam", "_esy"),
)
# What is minified, and code that generators name as theirs: of protobuf, of Dart's packages, of Visual Studio.
FILES = (
    *("*.min.js", "*.min.mjs", "*.min.cjs", "*.min.css", "*_pb2.py", "*_pb2_grpc.py", "*.pb.go", "*.pb.h", "*.pb.cc"),
    *("*.g.dart", "*.freezed.dart", "*.[Dd]esigner.cs"),
)
# What lies beside a `build` that a tool made: people have `internal/build` and `src/build`.
_BUILDERS = (
    *("setup.py", "setup.cfg", "pyproject.toml", "CMakeLists.txt", "meson.build", "package.json", "gulpfile.js"),
    *("build.gradle", "build.gradle.kts", "build.xml", "pubspec.yaml", "Makefile", "makefile", "GNUmakefile"),
    *("dune-project", "*.xcodeproj", "Package.swift", "mkdocs.yml", "docusaurus.config.*", "conf.py"),
)
# A name that people use too -> what lies beside it where a tool did.
BESIDE = {
    "build": _BUILDERS,
    "target": ("Cargo.toml", "pom.xml", "build.sbt", "project.clj"),
    "bin": ("*.csproj", "*.fsproj", "*.vbproj", "*.vcxproj"),
    "obj": ("*.csproj", "*.fsproj", "*.vbproj", "*.vcxproj"),
    "out": ("build.gradle", "build.gradle.kts", "next.config.*", "*.iml"),
    "vendor": ("go.mod", "composer.json", "Gemfile", "Cargo.toml"),
    "Pods": ("Podfile",),
    "Carthage": ("Cartfile",),
    "deps": ("mix.exs", "rebar.config"),
    "renv": ("renv.lock",),
    "packrat": (".Rprofile",),
    "coverage": ("package.json",),
    "_site": ("_config.yml", "_config.yaml"),
    "bazel-*": ("WORKSPACE", "WORKSPACE.bazel", "MODULE.bazel"),
}
# Virtual environments, of whatever name, conda's, CMake's, and what says of itself that it is a cache (Cargo's target,
# pytest's, mypy's). Sources pass over warehouses themselves.
INSIDE = ("pyvenv.cfg", "bin/activate", "Scripts/activate", "conda-meta", "CMakeCache.txt")
CACHE_TAG, CACHE_SIGNATURE = "CACHEDIR.TAG", b"Signature: 8a477f597d28d172789f06886806bc55"


def named(name: str) -> str:
    """The pattern of NAMES that a folder's name is of; "" where it is of none."""
    return next((pattern for pattern in NAMES if fnmatchcase(name, pattern)), "")


def named_file(name: str) -> str:
    """The pattern of FILES that a file's name is of; "" where it is of none.

    >>> named_file("jquery.min.js"), named_file("admin.js")
    ('*.min.js', '')
    """
    return next((pattern for pattern in FILES if fnmatchcase(name, pattern)), "")


def is_made(folder: Path, beside: Collection[str]) -> bool:
    """Whether a tool made a folder, by what lies in it and `beside` it (names)."""
    for pattern, tells in BESIDE.items():
        if fnmatchcase(folder.name, pattern) and any(fnmatchcase(name, tell) for name in beside for tell in tells):
            return True
    # Of a closed folder pathlib would raise.
    return any(os.path.exists(folder / name) for name in INSIDE) or _says_cache(folder)  # noqa: PTH110


def _says_cache(folder: Path) -> bool:
    """By the Cache Directory Tagging Specification (https://bford.info/cachedir/)."""
    try:
        with (folder / CACHE_TAG).open("rb") as file:
            return file.read(len(CACHE_SIGNATURE)) == CACHE_SIGNATURE
    except OSError:
        return False
