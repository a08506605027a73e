# Two commands on a fresh machine: `make run` and `make test`.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || echo python3)
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# What works stands in pyproject.toml; these are the releases that are installed here and in CI.
CONSTRAINTS := .ci/constraints.txt

.PHONY: run demo test test-all test-slow test-lowest test-newest fuzz lint docs dist sbom notice audit install clean
.DEFAULT_GOAL := run

run: $(STAMP)  ## Copy-synthesis of the bundled clip through a shipped model: metrics, WAV, picture in out/
	$(BIN)/ondes try

demo: $(STAMP)  ## The Gradio demo in a browser
	$(BIN)/python -m demo

# Files of tests run side by side, one thread each.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

test: $(STAMP)  ## The fast tests
	$(PYTEST) -m "not slow"

test-all: $(STAMP)  ## All tests: training runs and recipes too
	$(PYTEST)

# The browser shares the cores with three other tests: what it did not show in a minute gets a second try, which the summary names.
test-slow: $(STAMP)  ## The tests that train or run recipes
	$(PYTEST) -m slow --reruns 1 --only-rerun 'Timeout .*ms exceeded'

# For every night: each reader of files gets so many seconds. Needs atheris: pip install -e '.[fuzz]'
FUZZ_SECONDS ?= 60
fuzz: $(STAMP)  ## Coverage-guided fuzzing of every reader; findings in out/fuzz/found
	OMP_NUM_THREADS=1 $(BIN)/python tests/fuzzing/fuzz.py --seconds $(FUZZ_SECONDS)

test-lowest: $(STAMP)  ## The fast tests of the packages with the oldest releases that pyproject.toml allows
	.ci/test_releases lowest $(BIN)/uv $(RELEASES_PYTHON)

test-newest: $(STAMP)  ## The same with the newest releases; RELEASES_PYTHON=python3.13 chooses the interpreter
	.ci/test_releases newest $(BIN)/uv $(RELEASES_PYTHON)

lint: $(STAMP)  ## Style, types and import contracts
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --no-cache --check .
	$(BIN)/lint-imports
	$(BIN)/pyright --pythonpath $(BIN)/python

docs: $(STAMP)  ## The reference of every class and function, in out/docs; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict -f tests/documents/website/mkdocs.yml

dist:  $(STAMP)  ## Wheel and source archive, in dist/
	$(BIN)/python -m build --outdir dist

sbom: $(STAMP)  ## Everything that a plain installation brings, as CycloneDX, in out/sbom.json
	.ci/sbom $(BIN) out/sbom.json

notice: $(STAMP)  ## The licences of all dependencies, into NOTICE
	$(BIN)/python .ci/licences.py --write

audit: $(STAMP)  ## Known faults of the pinned releases (asks a service on the internet; fails without an answer)
	$(BIN)/pip-audit --strict --requirement $(CONSTRAINTS) --no-deps --disable-pip

install: $(STAMP)  ## Create the virtual environment and install everything

$(STAMP): pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --upgrade pip
	$(BIN)/pip install -e '.[dev]' -c $(CONSTRAINTS)
	touch $(STAMP)

clean:
	rm -rf out build dist .pytest_cache .ruff_cache .hypothesis
