# make render   set up .venv and render recipes/hydrocephalus.yaml
# make test     set up .venv and run linters, types and tests
# make fuzz     N=20000 mutated recipes: no traceback, ever; goes on where it was stopped
# make docs     the documentation as a site in build/site
# make integrations   tests of patches in Lightning, MONAI, TorchIO and accelerate
# make chaos    SEEDS=200 renders through kills on a Ray cluster: one digest; goes on likewise
# make bench    the benchmarks' short forms, seven minutes; tables on the terminal, all in build/bench
# make setup    only set up .venv

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
# Set FACTORY_ARGS to pass more to `factory render`, e.g. FACTORY_ARGS="--set replicates=2".
FACTORY_ARGS ?=
N ?= 20000
SEEDS ?= 200

.PHONY: setup render test lint docs fuzz integrations chaos bench clean

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
	$(BIN)/lint-imports --no-logo

# Two processes of one thread each: more threads than cores wait for one another.
test: export OMP_NUM_THREADS := 1
test: lint
	$(BIN)/python -m pytest --hypothesis-profile=steady --numprocesses=2 --dist=loadfile

# The site in build/site; its reference pages are made from the code's own docstrings.
docs: $(STAMP)
	$(BIN)/python docs/generate.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict --site-dir build/site

fuzz: $(STAMP)
	PYTHONPATH=tests $(BIN)/python -m campaigns.fuzz $(N)

# Patches in Lightning, MONAI, TorchIO and accelerate, as `integrations` of pyproject.toml has them.
integrations: $(STAMP)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --editable ".[integrations]"
	$(BIN)/python -m pytest tests/integrations

chaos: $(STAMP)
	PYTHONPATH=tests $(BIN)/python -m campaigns.chaos $(SEEDS)

# One after another, each alone on the machine. Their long forms are those without options.
BENCH := build/bench
bench: export OMP_NUM_THREADS := 1
bench: $(STAMP)
	mkdir -p $(BENCH)
	$(BIN)/python benchmarks/sparse_spade.py --widths 12 --sides 128 --repeats 2 --output $(BENCH)/sparse_spade
	$(BIN)/python benchmarks/render_stages.py --subjects 1 --into $(BENCH)
	$(BIN)/python benchmarks/driver_cost.py --executed 1000 --rate 10 --into $(BENCH)
	$(BIN)/python benchmarks/anatomy_speed.py --repeats 1 --into $(BENCH)
	$(BIN)/python benchmarks/metrics_speed.py --into $(BENCH)
	$(BIN)/python benchmarks/train_speed.py --steps 12 --into $(BENCH)
	$(BIN)/python benchmarks/loading.py 4 --output $(BENCH)

clean:
	rm -rf $(VENV) build *.egg-info
