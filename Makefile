# Everything starts here: `make` lists the targets. GNU make 4.3 and a POSIX sh are enough; nothing is installed
# outside .venv except what `devenv setup` announces, and python3-venv where Python comes without it.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
# Python keeps what it compiled, as it does for users; without it each command spends 0.4 s on compiling devenv anew.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
PY := $(VENV)/bin/python
DEVENV := $(VENV)/bin/devenv
# Stamps: what was installed, and from which pyproject.toml. A second `make up` spends nothing on it.
RUN := $(VENV)/.installed-run
DEV := $(VENV)/.installed-dev
PIP_INSTALL := $(PY) -m pip install -qq --disable-pip-version-check --no-input

.PHONY: help
help: ## show this list
	@awk 'BEGIN {FS = ":.*## "; print "make TARGET\n"} /^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' Makefile

.PHONY: up
up: $(RUN) ## from whatever this machine has to an environment that is healthy and proven
	@$(DEVENV) setup --yes
	@$(DEVENV) up
	@$(DEVENV) check

.PHONY: down
down: $(RUN) ## remove the containers, keep the data
	@$(DEVENV) down

.PHONY: onboard
onboard: $(RUN) ## the same as `up`, then what to do next; safe to repeat
	@$(DEVENV) onboard

.PHONY: install
install: $(RUN) ## put devenv into .venv and start nothing
	@:

.PHONY: test
test: $(DEV) ## every test: unit, contract, end to end, bare machine (installs an engine if there is none)
	@$(DEVENV) setup --yes
	@$(MAKE) test-unit
	@$(PY) -m pytest tests/contract
	@$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations 15 tests/e2e

.PHONY: test-unit
test-unit: $(DEV) ## the tests that need no engine, in seconds
	@$(PY) -m pytest -n auto --dist worksteal tests/unit tests/cli tests/test_architecture.py

.PHONY: lint
lint: $(DEV) ## ruff (rules and format) and mypy
	@$(PY) -m ruff check
	@$(PY) -m ruff format --check
	@$(PY) -m mypy

.PHONY: fmt
fmt: $(DEV) ## format the code and repair what ruff can repair
	@$(PY) -m ruff check --fix --exit-zero
	@$(PY) -m ruff format

.PHONY: bench
bench: $(DEV) ## time devenv beside plain Compose and devservices on the same environment, in turn
	@$(DEVENV) setup --yes
	@$(PY) -m tests.bench

.PHONY: bench-db
bench-db: $(DEV) ## time reset-db and imports beside the same by hand, up to 1 GB (SIZES=10,100 TABLES=1 ROUNDS=3 BIG=1 POOL=20G choose)
	@$(DEVENV) setup --yes
	@$(PY) -m tests.bench.database

.PHONY: clean
clean: ## remove .venv and caches; .devenv stays, it remembers ports and data (first `make down` to remove containers)
	@rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUN): pyproject.toml
	@$(make_venv)
	@echo "==> installing devenv into $(VENV)"
	@$(PIP_INSTALL) --editable .
	@touch $@

$(DEV): pyproject.toml
	@$(make_venv)
	@echo "==> installing devenv and its development tools into $(VENV)"
	@$(PIP_INSTALL) --editable '.[dev]'
	@touch $(RUN) $@

# A virtual environment that works, made or repaired. Debian's own Python has no ensurepip: its package is announced
# and installed. `PYTHON=...` names another interpreter.
define make_venv
set -eu; \
if $(PY) -m pip --version >/dev/null 2>&1; then exit 0; fi; \
python=; \
for candidate in $${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do \
	if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then python=$$candidate; break; fi; \
done; \
if [ -z "$$python" ]; then echo "error: no Python 3.11 or newer found as: $${PYTHON:-python3, python3.11 ... python3.14}" >&2; echo "hint: install one, or name it: make PYTHON=path/to/python3" >&2; exit 1; fi; \
if ! "$$python" -c 'import ensurepip' >/dev/null 2>&1; then \
	package=$$(basename "$$python")-venv; \
	if ! command -v apt-get >/dev/null 2>&1; then echo "error: $$python has no ensurepip" >&2; echo "hint: install your distribution's package for Python's venv" >&2; exit 1; fi; \
	sudo=; if [ "$$(id -u)" != 0 ]; then sudo=sudo; fi; \
	log=$$(mktemp); \
	echo "==> this Python cannot make virtual environments: $${sudo:+sudo }apt-get install $$package"; \
	{ $$sudo apt-get update && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$$package"; } >"$$log" 2>&1 </dev/null \
		|| { tail -n 20 "$$log" >&2; rm -f "$$log"; echo "error: $$package could not be installed" >&2; exit 1; }; \
	rm -f "$$log"; \
fi; \
echo "==> making $(VENV)"; \
"$$python" -m venv --clear $(VENV)
endef
