# `make help` lists what there is. The work is done by the scripts in tests/tools and bench.
VENV := .venv
BIN := $(VENV)/bin
RUN := $(BIN)/python tests/tools/runs.py
export RUFF_CACHE_DIR := $(VENV)/ruff
export MYPY_CACHE_DIR := $(VENV)/mypy

.PHONY: help venv demo test soak bench lint fmt check clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 8

venv: $(VENV)/installed-dev ## .venv with rootless (editable) and the developers' tools

$(VENV)/installed-dev: pyproject.toml
	@sh tests/tools/venv.sh $(VENV) dev

demo: ## a first container, seen from inside and from outside; needs only Python
	@sh demo.sh

test: venv ## all tests, as ordinary users; ARGS="tests/oci -k tar" for a part
	@sh tests/tools/packages.sh
	@$(RUN) test $(ARGS)

soak: venv ## the long fuzz and fault tests; TEST_SEED=... repeats a run
	@sh tests/tools/packages.sh
	@$(RUN) soak $(ARGS)

bench: venv ## side by side with podman and others; ROWS=run,exec for a part
	@sh tests/tools/packages.sh
	@$(RUN) bench $(ROWS)

lint: venv ## ruff and mypy --strict
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/mypy --strict tests/conftest.py tests/test_house.py tests/tools/runs.py tests/tools/suite.py bench/run.py

fmt: venv ## format the code, and mend what ruff can
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

check: lint test ## what .ci/run does

clean: ## remove what the rules above made, except users and packages
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@[ "$$(id -u)" != 0 ] || rm -rf /var/cache/rootless-tests
