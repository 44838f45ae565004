# Needs a Python >= 3.11 with venv, or with pip. `make` alone lists the targets.

# What the lock files and pyproject.toml say is in .venv; stamps there record it, so that a second run
# does nothing. .venv/place tells a moved checkout and another Python, whose scripts and packages would
# not work, and .venv/half-installed an interrupted pip, which takes torn packages for whole: these make
# .venv anew.
VENV := .venv
BIN := $(VENV)/bin
RUN := $(VENV)/ready-run
TEST := $(VENV)/ready-test
BROKEN := $(VENV)/half-installed
LOCKER := .venv-lock

NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(or $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c '$(NEW_ENOUGH)' >/dev/null 2>&1 && echo $$p && break; done),python3)
# One more than CI has cores: workers often wait, for daemons and databases that they started.
# Each with one thread: threads of several workers wait for each other.
PYTEST_WORKERS ?= 3
CODE := $(wildcard regions providers cloudsec tests benchmarks notebooks conftest.py)
DEBIAN_PACKAGES := dcmtk dicom3tools orthanc postgresql tesseract-ocr tesseract-ocr-eng

# Packages of another project must not stand in for ours, nor pip install elsewhere.
unexport PYTHONPATH PYTHONHOME PIP_USER PIP_TARGET PIP_PREFIX
# Without byte code that lasts, each of the processes that tests start would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE
export PIP_DISABLE_PIP_VERSION_CHECK = 1

WHERE := import os, sys; print(*sys.version_info[:2], os.getcwd())
ifneq "$(shell test -x $(BIN)/python && test ! -e $(BROKEN) && $(BIN)/python -c '$(WHERE)')" "$(shell cat $(VENV)/place 2>/dev/null)"
.PHONY: $(VENV)/place
endif

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test slow coverage bench privacy lint system lock clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1 - \2/p' Makefile

demo: $(RUN) ## the paper's scheme beside ours at real provider processes; its report in demo-output
	@$(BIN)/cloudsec demo --out demo-output

test: lint ## run linters, import contracts, type check and the tests
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(PYTEST_WORKERS)

slow: $(TEST) ## run the tests that `make test` leaves out for their time
	@$(BIN)/python -m pytest -q -n $(PYTEST_WORKERS) -m slow || test $$? = 5  # 5: there are none

BRANCHES := import json, sys; of = json.load(sys.stdin)["totals"]; \
	share = of["covered_branches"] / of["num_branches"]; \
	print(f"{share:.1%} of all branches are taken; 90.0% must be"); sys.exit(share < 0.9)

coverage: $(TEST) ## list what the tests do not reach; fail where they take less than 90 % of all branches
	@$(BIN)/python -m pytest -q -n $(PYTEST_WORKERS) --cov --cov-report=term-missing:skip-covered
	@$(BIN)/coverage json -q -o - | $(BIN)/python -c '$(BRANCHES)'

bench: $(TEST) ## run the benchmarks
	@$(BIN)/python -m benchmarks

privacy: $(TEST) ## what providers could join of all images of the open data, beside its bounds; takes long
	@$(BIN)/python -m benchmarks.privacy

lint: $(TEST) ## run linters, type check and import contracts only
	@$(BIN)/ruff check --quiet $(CODE)
	@$(BIN)/ruff format --check --quiet $(CODE)
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-cache --no-logo

system: ## install the Debian packages that some tests need; asks nothing
	@if dpkg-query -s $(DEBIAN_PACKAGES) >/dev/null 2>&1; then exit 0; fi; \
	if ! command -v apt-get >/dev/null; then \
		echo "make system: no apt-get here; install by hand: $(DEBIAN_PACKAGES)" >&2; exit 1; fi; \
	root=; if [ "$$(id -u)" != 0 ]; then root="sudo -n"; fi; \
	echo "installing $(DEBIAN_PACKAGES)"; \
	$$root env DEBIAN_FRONTEND=noninteractive apt-get update -qq </dev/null && \
	$$root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(DEBIAN_PACKAGES) </dev/null >/dev/null

# The versions that are locked stay while they satisfy pyproject.toml; UPGRADE=--upgrade takes the newest.
# The fewest versions: every Python gets the same numpy, so that all give the same pixels.
lock: ## lock the dependencies of pyproject.toml anew (UPGRADE=--upgrade: the newest versions)
	@$(call require_python) && $(PYTHON) -m venv $(LOCKER) && $(LOCKER)/bin/python -m pip install -qq uv
	@for out in requirements-test.lock requirements.lock; do \
		case $$out in *test*) which="--extra test";; *) which="-c requirements-test.lock";; esac; \
		$(LOCKER)/bin/uv pip compile -q pyproject.toml --group build $$which -o $$out $(UPGRADE) \
			--universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
			--custom-compile-command "make lock" || exit 1; \
	done

clean: ## remove what these targets made
	@rm -rf $(VENV) $(LOCKER) build demo-output *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Without ensurepip (Debian splits it off), the pip of $(PYTHON) works on .venv from outside.
require_python = { $(PYTHON) -c '$(NEW_ENOUGH)' 2>/dev/null || \
	{ echo "CloudSec needs Python 3.11 or newer; '$(PYTHON)' is not. Name one: make PYTHON=/path/to/python3" >&2; exit 1; }; }
pip = $$($(BIN)/python -m pip --version >/dev/null 2>&1 && echo $(BIN)/python -m pip || echo $(PYTHON) -m pip --python $(BIN)/python)
# Python compiles what is imported when it is; most of what lies in these packages never is.
install = touch $(BROKEN) && $(pip) install -qq --no-compile --require-hashes -r $(1) && \
	$(pip) install -qq --no-deps --no-build-isolation --no-index -e . && rm $(BROKEN)

$(VENV)/place:
	@$(require_python)
	@echo "setting up .venv (once, about a minute)"
	@rm -rf $(VENV)
	@if $(PYTHON) -c 'import venv, ensurepip' 2>/dev/null; then $(PYTHON) -m venv $(VENV); \
	elif $(PYTHON) -c 'import venv' 2>/dev/null && $(PYTHON) -m pip --python "$$(command -v $(PYTHON))" --version >/dev/null 2>&1; then \
		$(PYTHON) -m venv --without-pip $(VENV); \
	else echo "'$(PYTHON)' has neither venv with ensurepip nor pip; on Debian: apt install python3-venv" >&2; exit 1; fi
	@$(BIN)/python -c '$(WHERE)' >$@.new && mv $@.new $@

$(RUN): $(VENV)/place requirements.lock pyproject.toml
	@echo "installing requirements.lock"
	@$(call install,requirements.lock)
	@touch $@

$(TEST): $(VENV)/place requirements-test.lock pyproject.toml
	@echo "installing requirements-test.lock"
	@$(call install,requirements-test.lock)
	@touch $(RUN) $@
