# make render   set up .venv and render recipes/hydrocephalus.yaml
# make test     set up .venv and run linters, types and tests
# make fuzz     N=20000 mutated recipes: no traceback, ever; goes on where it was stopped
# make chaos    SEEDS=200 renders through kills on a Ray cluster: one digest; goes on likewise
# make setup    only set up .venv

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
# Set FACTORY_ARGS to pass more to `factory render`, e.g. FACTORY_ARGS="--set replicates=2".
FACTORY_ARGS ?=
N ?= 20000
SEEDS ?= 200

.PHONY: setup render test lint fuzz chaos clean

setup: $(STAMP)

# torch comes first and pinned: a looser range would pull gigabytes of CUDA on machines without a
# GPU. Compiling once here spares every Ray process from doing it at its start.
$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check $$(grep '^torch==' requirements.lock)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m compileall -q -j 0 $(VENV)/lib > /dev/null || true
	touch $(STAMP)

render: $(STAMP)
	$(BIN)/factory render recipes/hydrocephalus.yaml $(FACTORY_ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	$(BIN)/python -m pytest --hypothesis-profile=steady

fuzz: $(STAMP)
	$(BIN)/python tests/factory/fuzz.py $(N)

chaos: $(STAMP)
	$(BIN)/python tests/factory/chaos.py $(SEEDS)

clean:
	rm -rf $(VENV) build *.egg-info
