PYTHON ?= python3.11
PORT ?= 8700
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
INPUTS := pyproject.toml clients/python/pyproject.toml constraints.txt

.PHONY: setup dev demo up test lint openapi clean

setup: $(STAMP)

$(STAMP): $(INPUTS)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ echo "Python 3.11 with venv is needed: apt-get install python3 python3-venv"; exit 1; }
	$(PIP) install --quiet --no-compile -c constraints.txt "setuptools>=77"
	$(PIP) install --quiet --no-compile -c constraints.txt --no-build-isolation -e clients/python -e .
	touch $@

dev: $(DEV_STAMP)

$(DEV_STAMP): $(STAMP)
	$(PIP) install --quiet --no-compile -c constraints.txt --no-build-isolation -e clients/python -e ".[dev]"
	touch $@

demo: setup
	$(BIN)/python -m scripts.demo

up: setup
	@$(BIN)/python -m scripts.up --port $(PORT)

test: dev lint
	$(BIN)/python -m pytest

lint: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

openapi: dev
	$(BIN)/maquette-server openapi docs/openapi.json

clean:
	rm -rf $(VENV) demo-output .maquette
