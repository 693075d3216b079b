# Everything that is done with a checkout; `make` lists it. A machine needs python3 (3.11 or later) and make;
# Node.js, which only fetches the browser libraries, is taken from a Python package where it is missing.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Node.js of the Python package is linked in a folder of its own: it wins over one that is too old, and the
# folder does not exist where the machine's own is good enough.
export PATH := $(CURDIR)/$(VENV)/node:$(PATH)
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

INSTALLED := $(VENV)/.installed
LIBRARIES := frontend/node_modules/.installed
VENDORED := frontend/static/vendor/.made
PEERS := bench/node/node_modules/.installed

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup up test abuse faults audit sbom lint format bench stack-test lock clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*##/make \1:/p' $(MAKEFILE_LIST)

setup: $(INSTALLED) $(VENDORED)  ## .venv with the locked dependencies, and the browser libraries

up: setup  ## start everything; flags go into ARGS: make up ARGS="--port 9000 --gateways 3"
	@exec $(BIN)/pulso up $(ARGS)

# Several workers share the tests; ARGS="-n 0" has one process do it all, as for a debugger. Playwright's own Node.js
# wants a system library that a bare machine lacks; the one from the set-up does as well.
test: setup  ## all tests but the long ones and the containers'; flags for pytest go into ARGS
	@PULSO_TEST_BROWSER="$$(sh .ci/find-browser)" && export PULSO_TEST_BROWSER && \
	    PLAYWRIGHT_NODEJS_PATH="$$(command -v node)" $(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

faults: setup  ## everything killed, hung, cut off and stopped under load; ends in a table. FAULTS_SEED=n repeats a run
	$(BIN)/python -m pytest -q -m "not stack" tests/faults $(ARGS)

abuse: setup  ## hostile input of all kinds, minutes of fuzzing among it; ends in a table
	@PULSO_TEST_BROWSER="$$(sh .ci/find-browser)" && export PULSO_TEST_BROWSER && \
	    PLAYWRIGHT_NODEJS_PATH="$$(command -v node)" $(BIN)/python -m pytest -q -m "not stack" tests/abuse $(ARGS)

# Installs what is missing of the tools that fill disks, drop packets and set clocks; says so where this is not root.
.PHONY: fault-tools
fault-tools:
	@sh .ci/fault-tools
faults: fault-tools

# docker compose reads its file without an engine; what the file must say is in tests/test_compose.py.
audit: setup  ## the locks (pinned, hashed, licences), bandit, hadolint; needs no network
	$(BIN)/python -m supply.audit
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml pulso services cli bench supply
	$(BIN)/hadolint Dockerfile
	@if docker compose version >/dev/null 2>&1; then docker compose --env-file /dev/null config --quiet; fi

sbom: setup  ## the list of all locked packages (CycloneDX), in dist/sbom.cdx.json
	$(BIN)/python -m supply.sbom dist/sbom.cdx.json

lint: audit  ## ruff, mypy, import contracts, tsc, and what `make audit` does
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	frontend/node_modules/.bin/tsc --project frontend/tsconfig.json

format: setup  ## what ruff can put right by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

stack-test: setup  ## the compose stack on a container engine
	$(BIN)/python -m pytest -m stack tests/stack $(ARGS)

bench: setup $(PEERS)  ## Pulso beside Socket.IO on Node.js, a quarter of an hour; a try: make bench ARGS=--quick
	@$(BIN)/python -m bench $(ARGS)

# The locks hold for all platforms and name no registry. `make lock ARGS=--upgrade` takes the newest versions.
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
lock:  ## write requirements/*.txt anew from pyproject.toml (needs uv)
	$(COMPILE) $(ARGS) pyproject.toml --output-file requirements/runtime.txt
	$(COMPILE) $(ARGS) pyproject.toml --extra embedded --group dev --output-file requirements/dev.txt
	$(COMPILE) $(ARGS) --group node --output-file requirements/node.txt

clean:  ## remove what `make setup` made; data stays
	rm -rf $(VENV) frontend/node_modules frontend/static/vendor bench/node/node_modules

# --- Stamps: each is newer than what it was made from ---------------------------------------------------------------

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "Pulso needs Python 3.11 or later as $(PYTHON). Install it, or name one: make PYTHON=/path/to/python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "Making $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/.locked: requirements/dev.txt $(VENV)/.made
	@echo "Installing the locked Python packages"
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

# The project itself, from this folder and without the network: what builds it is in the lock.
$(INSTALLED): pyproject.toml $(VENV)/.locked
	@$(PIP) install --no-index --no-deps --no-build-isolation --editable .
	@touch $@

$(LIBRARIES): frontend/package.json frontend/package-lock.json requirements/node.txt | $(INSTALLED)
	@if ! { command -v npm && node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)'; } >/dev/null 2>&1; then \
	    echo "Installing Node.js from its Python package" && \
	    $(PIP) install --require-hashes -r requirements/node.txt && \
	    mkdir -p $(VENV)/node && ln -sf ../bin/node ../bin/npm ../bin/npx $(VENV)/node/; fi
	@echo "Installing the locked browser libraries"
	@cd frontend && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# After the browser libraries: they see to it that there is a Node.js.
$(PEERS): bench/node/package.json bench/node/package-lock.json | $(LIBRARIES)
	@echo "Installing what Pulso is measured against"
	@cd bench/node && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(VENDORED): frontend/vendor.mjs $(LIBRARIES)
	@cd frontend && node vendor.mjs
	@mkdir -p $(@D) && touch $@
