# Learning on the Hypersphere. `make book` builds it, `make test` checks it; both make what they need in .venv first.
# Only Python 3.11 to 3.13 and make are needed. No target deletes anything that you made.

.DEFAULT_GOAL := help
.PHONY: help env book execute status check test lab serve atlas slides offline pdf text notebook assignments pins logo
SHELL := /bin/sh
BIN := .venv/bin
PORT ?= 8000
ARGS ?=
PYTHON ?=
export PYTHON
# The kernel "python3" is the one of .venv, whatever kernels a home folder holds.
export JUPYTER_PREFER_ENV_PATH := 1

help:  ## show this list
	@echo "Learning on the Hypersphere: what make can do"
	@sed -n 's/^\([a-z]*\):.*## /  make \1#/p' Makefile | awk -F'#' '{ printf "%-16s %s\n", $$1, $$2 }'

env:  ## make the environment .venv (the other targets do it themselves)
	@PYTHON="$(PYTHON)" sh tools/env.sh

book: env  ## execute the notebooks that changed, build the pages, say where to open them
	@$(BIN)/python tools/notebooks.py execute
	@$(BIN)/python tools/atlas.py
	@$(BIN)/python tools/pages.py $(ARGS)

execute: env  ## execute all notebooks afresh
	@$(BIN)/python tools/notebooks.py execute --all

status: env  ## say which notebooks are fresh and which are not
	@$(BIN)/python tools/notebooks.py status

check: env  ## say which rules of the book the notebooks break (tools/rules.py)
	@$(BIN)/python tools/notebooks.py check

test: env  ## run all tests; choose with ARGS, as in make test ARGS="-k energy"
	@$(BIN)/python -m pytest -n 2 --dist loadscope $(ARGS)

lab: env  ## open JupyterLab on the notebooks
	@$(BIN)/jupyter lab --notebook-dir=. $(ARGS)

serve: env  ## serve the built pages on this machine (PORT=8000)
	@test -e _build/html/index.html || { echo "There are no pages yet: run make book first." >&2; exit 1; }
	@echo "http://127.0.0.1:$(PORT)/  (Ctrl-C stops it)"
	@$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html

atlas: env  ## draw the atlas of the papers from book/atlas.yml and the run records (make book does it too)
	@$(BIN)/python tools/atlas.py $(ARGS)

slides: env  ## make slides from the chapters' stored figures, into _build/slides; choose with ARGS="03"
	@$(BIN)/python tools/slides.py $(ARGS)
offline: book  ## pack the pages into one zip that opens from a folder, without a network
	@$(BIN)/python tools/offline.py

pdf: env  ## make one PDF of the book from the stored outputs (needs TeX Live; says what is missing)
	@$(BIN)/python tools/book_pdf.py

text: env  ## write the notebooks as text (MyST) into _text/, for editing and searching
	@$(BIN)/python tools/notebooks.py text $(ARGS)

notebook: env  ## bring edits made in _text/ back into the notebooks
	@$(BIN)/python tools/notebooks.py notebook $(ARGS)

assignments: env  ## make the students' notebooks of the assignments from their sources
	@$(BIN)/python tools/assignments.py release

pins: env  ## renew the pins of requirements.txt (needs a network)
	@$(BIN)/python tools/pins.py

logo: env  ## draw the logo and the favicon
	@$(BIN)/python tools/draw_logo.py
