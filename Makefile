# Every target works from a fresh clone: what it needs is installed into .venv first, once.
# Captions come from another model than translations.
RECIPE ?= $(if $(filter caption,$(MAKECMDGOALS)),emoji-captions,tatoeba-en-es)
RUN    ?= runs/$(notdir $(basename $(RECIPE)))
PYTHON ?= python3
# As it was typed: make must not read a dollar sign in a sentence as a variable of its own.
override TEXT := $(value TEXT)
override IMAGE := $(value IMAGE)
# Said before anything is installed.
ifneq (,$(filter caption,$(MAKECMDGOALS)))
ifeq (,$(value IMAGE))
$(error make caption: expected IMAGE=picture.png, a file or a folder)
endif
endif

VENV    := .venv
BIN     := $(VENV)/bin
INSTALL := $(VENV)/.installed
SERVER  := $(VENV)/.installed-serve
DEVELOP := $(VENV)/.installed-dev

.DEFAULT_GOAL := help
.PHONY: help install train status translate caption evaluate report serve docs test check bench clean
.DELETE_ON_ERROR:

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  RECIPE=$(RECIPE)  RUN=$(RUN)  TEXT='...'"

install: $(INSTALL)  ## set up .venv with the package

train: $(INSTALL)  ## corpus, model and BLEU report of RECIPE into RUN; goes on if interrupted
	@$(BIN)/seq2seq train "$(RECIPE)" --run "$(RUN)"

status: $(INSTALL)  ## how far the training of RUN has come, and its curves
	@$(BIN)/seq2seq status "$(RUN)"

translate: $(INSTALL)  ## translate TEXT, or stdin line by line; trains first if there is no model
	@[ -e "$(RUN)/model.safetensors" ] || $(BIN)/seq2seq train "$(RECIPE)" --run "$(RUN)" >&2 </dev/null
	@if [ -n "$$TEXT" ]; then printf '%s\n' "$$TEXT" | $(BIN)/seq2seq translate --model "$(RUN)"; \
	else $(BIN)/seq2seq translate --model "$(RUN)"; fi

caption: $(INSTALL)  ## say in words what the picture IMAGE shows; trains RECIPE=emoji-captions first if there is no model
	@[ -e "$(RUN)/model.safetensors" ] || $(BIN)/seq2seq train "$(RECIPE)" --run "$(RUN)" >&2 </dev/null
	@$(BIN)/seq2seq caption --model "$(RUN)" "$$IMAGE"

evaluate: $(INSTALL)  ## BLEU, chrF and TER of RUN on its test part
	@$(BIN)/seq2seq evaluate --model "$(RUN)"

report: $(INSTALL)  ## one page on RUN: scores, curves, samples and more, in report.html of the run
	@[ -e "$(RUN)/model.safetensors" ] || $(BIN)/seq2seq train "$(RECIPE)" --run "$(RUN)" >&2 </dev/null
	@$(BIN)/seq2seq report "$(RUN)"

serve: $(SERVER)  ## a web page and an API for RUN on http://127.0.0.1:8000; trains first if there is no model
	@[ -e "$(RUN)/model.safetensors" ] || $(BIN)/seq2seq train "$(RECIPE)" --run "$(RUN)"
	@$(BIN)/seq2seq serve --model "$(RUN)"

docs: $(DEVELOP)  ## the documentation as a site, in build/site
	@$(BIN)/seq2seq settings > docs/settings.md
	@$(BIN)/python scripts/api_page.py > docs/api.md
	@$(BIN)/mkdocs build --quiet
	@echo build/site/index.html

test: $(DEVELOP)  ## run the whole test suite
	@$(BIN)/pytest -n auto --maxprocesses 8 --dist worksteal

check: $(DEVELOP)  ## formatting, lint, types, layers and generated pages
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/seq2seq settings | diff -u docs/settings.md - || { echo 'docs/settings.md is old: make docs' >&2; exit 1; }
	@$(BIN)/python scripts/api_page.py | diff -u docs/api.md - || { echo 'docs/api.md is old: make docs' >&2; exit 1; }

bench: $(INSTALL)  ## speed of training and decoding on this machine
	@$(BIN)/python scripts/benchmark_training.py
	@$(BIN)/python scripts/benchmark_decoding.py --model "$(RUN)"

clean:  ## remove .venv and caches; keeps data and runs
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

export TEXT IMAGE

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| { echo "seq2seq needs Python 3.11 or newer, found $$($(PYTHON) --version 2>&1); use make PYTHON=python3.11" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) >&2

$(INSTALL): pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing into $(VENV) ..." >&2
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e . >&2
	@touch $@

$(SERVER): $(INSTALL)
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[serve]' >&2
	@touch $@

$(DEVELOP): $(INSTALL)
	@echo "installing development tools into $(VENV) ..." >&2
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]' >&2
	@touch $@
