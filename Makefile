# Both of these install what they need first (Debian packages when run by root, a Python environment in .venv):
#   make demo     shows what svcc makes of an example (make demo-fleet: what it makes of three machines and an etcd)
#   make test     runs everything that has to pass: lint, types, tests (as root: also against the kernel)
#   make check    lint, types, and the tests that need neither a kernel nor minutes
# And: make lint, make floors, make pythons, make aws, make packages, make site, make bench, make clean.
# PYTHON=python3.13 chooses another Python.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TOOL := PYTHONPATH=tests $(BIN)/python -m support.tools
export PYTHON
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore
# A user's PATH has no sbin on Debian, where nft, iptables and ipvsadm are.
export PATH := $(PATH):/usr/sbin:/sbin
# Tests start svcc some thousand times, which takes twice as long where its modules are compiled each time.
unexport PYTHONDONTWRITEBYTECODE

# Tests run side by side, each in namespaces of its own, twice as many as there are processors: half of their time is
# waiting. PYTEST_WORKERS=0 runs them one after the other.
PYTEST_WORKERS ?= $(shell expr 2 '*' "$$(nproc)")
# As a user, the tests that need a kernel are left out, and pytest says so.
ROOT := $(filter 0,$(shell id -u))
PYTEST_ARGS ?= $(if $(ROOT),,--no-kernel)

.PHONY: aws packages site demo demo-fleet test check lint types floors pythons elsewhere pytest here machines bench clean machine

demo: $(VENV)/installed
	examples/demo.sh

# etcd is unpacked in .cache, and installed nowhere.
demo-fleet: $(VENV)/installed
	ETCD="$$($(TOOL).debs bookworm etcd-server etcd)" examples/fleet/demo.sh

# After lint all runs side by side, as much of it waits. Each prints what it has to say when it is done.
test: lint
	$(MAKE) --no-print-directory --jobs --output-sync=target elsewhere aws $(if $(ROOT),machines) here

check: export HYPOTHESIS_PROFILE ?= quick
check: lint
	$(BIN)/pytest --quiet --numprocesses=$(PYTEST_WORKERS) --dist=worksteal --no-kernel -m 'not slow'

lint: $(VENV)/installed
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --quiet --check .
	$(MAKE) --no-print-directory types

types: $(VENV)/installed
	$(TOOL).strict

floors pythons: $(VENV)/installed
	$(TOOL).elsewhere $@

elsewhere: $(VENV)/installed
	$(TOOL).elsewhere floors pythons

pytest: $(VENV)/installed
	$(MAKE) --no-print-directory --jobs=2 --output-sync=target $(if $(ROOT),machines) here

here: $(VENV)/installed
	$(BIN)/pytest --numprocesses=$(PYTEST_WORKERS) --dist=worksteal -m 'not vm' $(PYTEST_ARGS)

# One process has all tests of virtual machines, so that they share a boot; 5 says that PYTEST_ARGS chose none of them.
machines: $(VENV)/installed
	$(BIN)/pytest -m vm $(PYTEST_ARGS) || test $$? -eq 5

# Templates of target aws, with tools that are too large for every environment.
aws: $(VENV)-aws/installed
	PATH="$(VENV)-aws/bin:$$PATH" $(VENV)-aws/bin/pytest --quiet tests/aws

$(VENV)-aws/installed: pyproject.toml | machine
	$(PYTHON) -m venv --clear $(VENV)-aws
	$(VENV)-aws/bin/pip install -qq --upgrade pip
	$(VENV)-aws/bin/pip install -qq --editable '.[aws-test]'
	touch $@

# Packages in dist/, each tried on a new machine: a fresh root of the release that it is for.
packages: $(VENV)/installed
	.ci/machine packages
	PYTHONPATH=tests $(BIN)/python packages
	$(BIN)/pytest --quiet tests/packages

# The documentation as a site in build/site, which a browser then looks at: an environment and a browser of its own.
site: $(VENV)-site/installed
	.ci/machine site
	rm -rf build/site # in a folder that is there, the theme's colours of code for the dark get lost
	$(VENV)-site/bin/sphinx-build --quiet --nitpicky --fail-on-warning --keep-going --fresh-env \
		--doctree-dir .cache/site --conf-dir docs/site . build/site
	$(VENV)-site/bin/pytest --quiet tests/pages

$(VENV)-site/installed: pyproject.toml | machine
	$(PYTHON) -m venv --clear $(VENV)-site
	$(VENV)-site/bin/pip install -qq --upgrade pip
	$(VENV)-site/bin/pip install -qq --editable '.[site]'
	touch $@

bench: $(VENV)/installed
	$(BIN)/python bench/run.py $(BENCH_ARGS)

clean:
	rm -rf $(VENV) $(VENV)-aws $(VENV)-site .cache build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

machine:
	.ci/machine

$(VENV)/installed: pyproject.toml | machine
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install -qq --upgrade pip # Debian 12's does not pass its certificates on to a build
	$(BIN)/pip install -qq --editable '.[test]'
	touch $@
