# `make help` lists what there is.
PYTHON ?= python3
SECONDS ?= 30
RATE ?= 20
PYTEST_WORKERS ?= 3
SEEDS ?= 200
RUNS ?= 5
PY := .venv/bin/python
COVERAGE := $(PY) -m coverage

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all check format sim chaos bench bench-autoscaler schema clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*?## ' Makefile | sort | awk 'BEGIN {FS = ":.*?## "} {printf "  make %-16s %s\n", $$1, $$2}'

setup: .venv/ready ## Make .venv and install everything, pinned by constraints.txt

.venv/ready: pyproject.toml constraints.txt scripts/setup
	@PYTHON="$(PYTHON)" sh scripts/setup

demo: setup ## Run the demo shop: SECONDS=30 (0: until Ctrl-C), RATE=20 jobs/s
	@$(PY) -m tidegate demo --seconds "$(SECONDS)" --rate "$(RATE)"

test: setup ## Run the tests; what they need beyond Python is installed where the machine allows it (`make check` has the rules of the house)
	@bash scripts/install-test-tools
	@rm -f .coverage .coverage.*
	$(COVERAGE) run -m pytest -q -n $(PYTEST_WORKERS) --dist worksteal -m "not long" --ignore tests/test_house.py

test-all: setup ## Run the long suites as well, and hold the coverage gate
	@bash scripts/install-test-tools
	$(COVERAGE) run -m pytest -q -n $(PYTEST_WORKERS) --dist worksteal -m long
	@$(MAKE) --no-print-directory sim
	$(COVERAGE) combine -q
	$(COVERAGE) report --skip-covered | tail -n 40
	$(COVERAGE) report --format=total --fail-under=$(shell cat .ci/coverage-floor)

check: setup ## Format, lint, types, rules of the house
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(PY) grafana/build.py --check
	$(PY) -m pytest -q -n $(PYTEST_WORKERS) tests/test_house.py

format: setup ## Format and fix what can be fixed
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

sim: setup ## Play simulated fleets under faults: SEEDS=200, or SEED=17 for one with its story
	SEEDS="$(SEEDS)" $(if $(SEED),SEED="$(SEED)") $(PY) -m pytest -q -n $(if $(SEED),0,$(PYTEST_WORKERS)) tests/simulation -k "$(if $(SEED),one_seed,seed)"

chaos: setup ## Let every fault, or FAULT="node_killed half_open", befall a fleet at work, RUNS=5 times each; write the table of results
	$(PY) -m tests.chaos --runs "$(RUNS)" --page docs/explanation/chaos.md $(FAULT)

bench: setup ## Measure everything, ratios beside their bars, pictures, into build/bench: SIZE=quick takes minutes, not an hour
	$(PY) benchmarks/run.py $(if $(filter quick smoke,$(SIZE)),--$(SIZE),--pictures docs/pictures)

bench-autoscaler: setup ## Hold a live platform against the simulator, for five minutes: waits, consumer-seconds, a picture
	$(PY) benchmarks/autoscaler.py --picture docs/pictures/autoscaler.png

schema: setup ## Write the generated files: JSON Schema, dashboards, reference pages
	$(PY) -m tidegate.settings.schema
	$(PY) grafana/build.py
	$(PY) docs/build.py

clean: ## Remove what was made here
	rm -rf .venv .tidegate .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis
