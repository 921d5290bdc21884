# make demo   walks the whole road of a message on this machine
# make test   lint, types, import contracts and every test that needs no external server
# make secrets       makes what docker-compose.yml needs before its first start
# make compose-test  builds the images, brings the stack up, walks the road over its edge, and takes it down
# make faults        kills, cuts off and starves a suite under load, and prints what came of it (about an hour; FAULTS="--on sqlite" for less)
# make bench  compares with what one would pick instead, and prints ratios
# make lock   writes the lock files anew after a change of pyproject.toml

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet

.PHONY: demo test secrets compose-test faults bench lock clean
.DELETE_ON_ERROR:

demo: $(VENV)/installed
	$(BIN)/quietline demo $(if $(REPORTS),--reports "$(REPORTS)")

test: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@# Two halves side by side: what starts processes and waits for them, and the rest.
	$(BIN)/pytest -o cache_dir=.pytest_cache/slow tests/system tests/training & slow=$$!; \
	    $(BIN)/pytest --ignore tests/system --ignore tests/training; rest=$$?; wait $$slow && exit $$rest

secrets: $(VENV)/installed
	@$(BIN)/python -m services.compose_secrets

compose-test: $(VENV)/installed-dev
	$(BIN)/pytest -o cache_dir=.pytest_cache/compose -m compose tests/compose

faults: $(VENV)/installed-dev
	$(BIN)/python -m tests.system.faults $(FAULTS)

bench: $(VENV)/installed-dev
	$(BIN)/python -m tests.benchmarks

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Quietline needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python3" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing Quietline into $(VENV) (about a minute)"
	$(PIP) install --require-hashes -r requirements.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/installed-dev: requirements-dev.lock $(VENV)/installed
	$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

# The whole set is settled first, so that what a service runs on is what its tests ran on.
LOCKED := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links

lock:
	$(PIP) install uv
	$(LOCKED) --all-extras -o requirements-dev.lock pyproject.toml
	$(LOCKED) --extra service --extra ingestion --extra training --extra registry --extra scale --extra s3 \
	    --extra build \
	    -c requirements-dev.lock -o requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) var build *.egg-info
