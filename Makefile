# make run: the environment from the lock file, then the default study.
# make test: the same environment, then every check and test.
# make test-fast: the unit tests that train no network with a framework and run no study, in under two minutes.
# make docs: the site of the documents, in .site; open .site/index.html.
# make environment: the environment alone; `. .venv/bin/activate` to work in it by hand.
# make environment EXTRAS=smac: an optional engine in addition; with commas between several. It stays from then on.
# make test-engines: the unit tests of all optional engines, which other tests skip where they are not installed.
# make kill-engines: a study of each of their algorithms, killed at random moments and started again.
#
# PYTHON=python3.13: the Python to use, 3.11 or later; 3.11 is tested, 3.12 and 3.13 were.
# TORCH=cpu or TORCH=cuda: the build of PyTorch, a download of 0.2 or 2.8 GB. The default, auto, is the CUDA build where
# there is an NVIDIA driver, and otherwise the CPU build if there is one for this Python. The choice is printed first.

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do $$p -c "" 2>/dev/null && echo $$p && break; done)
TORCH ?= auto
EXTRAS ?=
CORES ?= all
PROCESSES ?= 3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: run test test-fast test-engines kill-engines engines check types style docs environment documents
.DELETE_ON_ERROR:

run: $(READY)
	@$(BIN)/snakemake --quiet host reason --rerun-incomplete --cores $(CORES)

# Compiled once, and not by each of the many programs that tests start, where Python is told to write no bytecode. Three
# processes on two cores: with two, whole runs used five sixths of what the cores have, since tests wait for programs.
# PROCESSES=5 suits four cores; each process holds the libraries of all trainers.
test: check
	@$(BIN)/python -m compileall -q workflow/lib tests/support
	@PYTHONPATH=tests $(BIN)/python -m support.browser
	$(BIN)/pytest -n $(PROCESSES) --dist loadfile --no-loadscope-reorder

test-fast: $(READY)
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow" tests/unit tests/checks

test-engines: engines
	$(BIN)/pytest -n 2 -m engine tests/unit

kill-engines: engines
	$(BIN)/pytest -n 2 -m engine tests/integration

engines:
	@$(MAKE) --no-print-directory environment EXTRAS=smac,vizier,ray-tune,nni,nevergrad

# The types take as long as all else, so they are checked at the same time.
check: $(READY)
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target types docs style

types: $(READY)
	$(BIN)/mypy
	MYPYPATH=workflow/benchmarks:tests $(BIN)/mypy workflow/benchmarks

style: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow/Snakefile workflow/rules
	$(BIN)/python envs/update.py --check
	$(BIN)/python tests/checks/architecture.py
	$(BIN)/snakemake --lint

# A page of the site cannot link to a file outside of docs, so the changelog is copied into it.
docs: $(READY)
	@sed 's#](docs/#](../#g' CHANGELOG.md > docs/project/changelog.md
	$(BIN)/zensical build --strict --clean
	$(BIN)/python tests/checks/site.py .site

environment: $(READY)

documents: $(READY)
	$(BIN)/python -m blindtune.config.generate

# Two makes at once do not install into one folder: the second waits for the first.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("blindtune needs Python 3.11 or later; say where it is: make PYTHON=/path/to/python3.13")'
	@$(PYTHON) envs/make.py $(VENV) --torch $(TORCH) --extras "$(EXTRAS)"

# Asked for by name, another Python, another build of PyTorch or an engine is a reason to make the environment again.
ifneq ($(filter-out file undefined,$(firstword $(origin PYTHON)) $(firstword $(origin TORCH)) $(firstword $(origin EXTRAS))),)
$(READY): FORCE
FORCE:
endif
