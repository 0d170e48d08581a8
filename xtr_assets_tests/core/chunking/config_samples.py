"""Files that run a project, one of each form, and what their chunks are called."""

WORKFLOW = """\
name: Release
on:
  push:
    tags: ["v*"]

# Only what a job asks for.
permissions: {}

jobs:
  # Builds the wheels.
  build:
    runs-on: ubuntu-latest
    strategy:
      matrix: {python: ["3.11", "3.12", "3.13"], os: [ubuntu-latest, macos-latest, windows-latest]}
    steps:
      - uses: actions/checkout@v4
      - run: |
          # This is the script's own.
          python -m build
  publish:
    needs: build
    permissions: {id-token: write}
    steps:
      - uses: pypa/gh-action-pypi-publish@release/v1
"""

MANIFESTS = """\
# Of the cluster.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 3
  template:
    spec:
      containers:
        - name: app
          image: shop/web:1
          resources: {limits: {memory: 512Mi, cpu: "1"}, requests: {memory: 256Mi, cpu: 500m}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  ports: [{port: 80}]
"""

PACKAGE = """\
{
\t"name": "shop",
\t"scripts": {
\t\t"build": "tsc -p tsconfig.json", // with a comment
\t\t"test": "node --test --experimental-test-coverage dist/test/all-of-the-tests.js",
\t\t"lint": "eslint --max-warnings 0 --ext .ts,.tsx src test scripts examples benchmarks --report-unused",
\t},
\t"dependencies": {"left-pad": "^1.3.0", "right-pad": "^1.0.1"}
}
"""

PROJECT = '''\
# The project.
[project]
name = "shop"
description = """
[not a table]
"""

# How code is judged.
[tool.ruff.lint]
select = [
  "E",
  "F",
]

[[tool.mypy.overrides]]
module = "numpy.*"
'''

SETTINGS = """\
; of all
[tox]
envlist = py311

[testenv:lint]
# ruff
commands =
    ruff check .
    [not a section]
"""

IMAGE = """\
# syntax=docker/dockerfile:1
ARG PYTHON=3.12
FROM python:${PYTHON} AS build
RUN pip install build && \\
    python -m build
COPY <<EOF /sql
SELECT 1
FROM nowhere AS heredoc
EOF

# What runs.
FROM python:3.12-slim
COPY --from=build /dist /dist
"""

MAKE = """\
PYTHON ?= python3
VERSION := $(shell git describe)

.PHONY: release
# Uploads the package.
release: build
\t$(PYTHON) -m twine upload dist/*

define BANNER
target: of the text
endef

build: clean
\t$(PYTHON) -m build

.PHONY: clean
clean:
\trm -rf dist
"""

CMAKE = """\
cmake_minimum_required(VERSION 3.20)
project(shop)

# Warnings of a target.
function(shop_warn target)
  target_compile_options(${target} PRIVATE

    -Wall)
endfunction()

option(SHOP_TESTS "Build the tests (all of them)." ON)
"""

GRADLE = """\
plugins {
    id 'java'
}

// What is needed.
dependencies {
    implementation 'org.slf4j:slf4j-api:2.0.9'
}

task docs(type: Javadoc) {
    source = "{"
}
"""

PROPERTIES = """\
# the broker
broker.url=amqp://localhost
broker.retries=3
"""

# By name: the text; the symbol, first line and last line of each chunk.
SAMPLES: dict[str, tuple[str, list[tuple[str, int, int]]]] = {
    ".github/workflows/release.yml": (
        WORKFLOW,
        [("", 1, 7), ("jobs.build", 9, 19), ("jobs.publish", 20, 24)],
    ),
    "deploy/web.yaml": (MANIFESTS, [("Deployment/web", 1, 13), ("Service/web", 14, 19)]),
    "package.json": (PACKAGE, [("name", 1, 2), ("scripts", 3, 7), ("dependencies", 8, 9)]),
    "pyproject.toml": (PROJECT, [("project", 1, 6), ("tool.ruff.lint", 8, 13), ("tool.mypy.overrides", 15, 16)]),
    "tox.ini": (SETTINGS, [("tox", 1, 3), ("testenv:lint", 5, 9)]),
    "Dockerfile": (IMAGE, [("build", 1, 9), ("python:3.12-slim", 11, 13)]),
    "Makefile": (
        MAKE,
        [("", 1, 2), ("release", 4, 7), ("BANNER", 9, 11), ("build", 13, 14), ("clean", 16, 18)],
    ),
    "CMakeLists.txt": (CMAKE, [("", 1, 2), ("shop_warn", 4, 9), ("", 11, 11)]),
    "build.gradle": (GRADLE, [("plugins", 1, 3), ("dependencies", 5, 8), ("docs", 10, 12)]),
    "app.properties": (PROPERTIES, [("", 1, 3)]),
}
