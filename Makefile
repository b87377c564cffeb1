# `make` alone lists the targets. What they make is below build/ and .venv/, except crux.toml (make up).
# Settings, to be given as `make target NAME=value`:
VENV := .venv#                the environment of Crux
LS := build/label-studio#     the environment of Label Studio, whose pins conflict with Crux's
VLLM := build/vllm#           the environment of vLLM, a model server for tests and benchmarks
TORCH := 2.13.0#              pip chooses its build, CPU or CUDA: set PIP_INDEX_URL for another
KIND := rare#                 texts of the demo: rare, tweets, products or editorials
LABEL_STUDIO_ML :=#           for test-ml2: a checkout of its public repository, or a requirement
ML_PINS := semver==3.0.4#     for test-ml2: packages that it needs besides those of $(VENV)
AUDITOR := pip-audit==2.10.1# asks the package index for advisories
PYTHON :=#                    3.11, 3.12 or 3.13; the newest that is found when empty
PIP_FLAGS := --quiet --quiet# `make install PIP_FLAGS=` shows all output of pip

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install demo up down check test test-ml2 lint audit data peers vllm pins clean

CRUX_STAMP := $(VENV)/.installed
LS_STAMP := $(LS)/.installed
VLLM_STAMP := $(VLLM)/.installed
RESULTS := build/test-results.xml
RATINGS := build/data/vaderSentiment-3.3.2.tar.gz
SAY := @echo "--"
# --no-compile: of 20,000 modules only a tenth is ever imported
INSTALL := install $(PIP_FLAGS) --disable-pip-version-check --no-input --no-compile

help: ## this list
	@echo "Crux. make TARGET, where TARGET is"
	@sed -nE 's/^([a-z0-9-]+):.*## (.*)/  \1 \2/p' Makefile | while read -r name text; do \
	    printf '  %-9s %s\n' "$$name" "$$text"; done

install: ## both environments, the peers and the demo's data (3 minutes, 3 GB; once)
	@$(MAKE) -s -j2 $(CRUX_STAMP) $(LS_STAMP)
	@$(MAKE) -s $(VENV)/.peers $(RATINGS)

demo: install ## the whole loop on real data against a real Label Studio
	$(VENV)/bin/python -m demo run $(KIND)

up: install ## start Label Studio, the backend and its worker; prints the next command
	@$(VENV)/bin/python -m demo up

down: ## stop what `make up` started
	@[ ! -e $(CRUX_STAMP) ] || $(VENV)/bin/python -m demo down

check: install lint ## ruff, mypy and the tests that are quick: for every edit (3 minutes)
	$(VENV)/bin/python -m pytest -m "not server and not slow" --durations=5

test: install $(VLLM_STAMP) ## ruff, mypy and every test; fails if any of them does, but runs them all
	@mkdir -p $(dir $(RESULTS)); rm -f $(RESULTS); worst=0; \
	check() { echo "-- $$*"; local rc=0; "$$@" || rc=$$?; [ $$rc -le $$worst ] || worst=$$rc; }; \
	check $(VENV)/bin/ruff check .; \
	check $(VENV)/bin/mypy; \
	check $(VENV)/bin/python -m pytest --durations=15 --junitxml=$(RESULTS); \
	exit $$worst

# The packages of test-ml2 come first, those of $(VENV) after them. That path is added last: otherwise
# pip would regard the packages there as installed.
test-ml2: $(CRUX_STAMP) ## the contract with Label Studio on another label-studio-ml
	@[ -n "$(LABEL_STUDIO_ML)" ] || { echo "Say which: make test-ml2 LABEL_STUDIO_ML=path" >&2; exit 1; }
	$(SAY) "installing $(LABEL_STUDIO_ML) in build/ml2"
	@$(VENV)/bin/python -m venv --clear build/ml2
	@build/ml2/bin/pip $(INSTALL) --no-deps "$(LABEL_STUDIO_ML)" $(ML_PINS)
	@site=$$(echo build/ml2/lib/python3*/site-packages); \
	realpath $(VENV)/lib/python3*/site-packages > $$site/crux.pth
	@build/ml2/bin/python -c 'from importlib.metadata import version as v; \
	    print("--", *(f"{name} {v(name)}" for name in ("label-studio-ml", "Flask", "Werkzeug")))'
	@MODEL_DIR=build/ml2 build/ml2/bin/python -m pytest tests/contract \
	    -W ignore::DeprecationWarning

lint: $(CRUX_STAMP) ## ruff and mypy only
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

audit: ## the known vulnerabilities of every pin; fails also if the index has no advisories
	@python=$$(PYTHON="$(PYTHON)" scripts/python.sh); \
	[ -e build/audit ] || "$$python" -m venv build/audit
	@build/audit/bin/pip $(INSTALL) $(AUDITOR)
	@echo "torch==$(TORCH)" > build/audit/torch.txt
	@worst=0; for file in requirements*.txt build/audit/torch.txt; do \
	    echo "-- $$file"; \
	    build/audit/bin/pip-audit --strict --no-deps --disable-pip --progress-spinner off \
	        -r $$file || worst=$$?; done; exit $$worst

data: $(RATINGS) ## the texts and the human ratings of demo and benchmarks (2.4 MB, MIT)

peers: $(VENV)/.peers ## the libraries of active learning that benchmarks/ compares with (2 MB)

vllm: $(VLLM_STAMP) ## a real vLLM, for tests and benchmarks (1 minute, 1.4 GB)

pins: ## write the requirement files from pyproject.toml; UPGRADE=1 moves every pin
	@UPGRADE=$(UPGRADE) PYTHON="$(PYTHON)" scripts/pins.sh $(TORCH)

clean: down ## remove build/ and .venv/, and nothing else
	rm -rf build .venv

# A stamp is written last: without it an environment is made from nothing, and with a stamp that is
# older than the pins pip changes only what differs.
$(CRUX_STAMP): $(VENV)/.pinned pyproject.toml
	@$(VENV)/bin/pip $(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.peers: requirements-benchmarks.txt $(VENV)/.pinned
	@$(VENV)/bin/pip $(INSTALL) --no-deps -r requirements-benchmarks.txt
	@touch $@

$(VENV)/.pinned: requirements.txt Makefile
	@python=$$(PYTHON="$(PYTHON)" scripts/python.sh); \
	[ -e $@ ] || "$$python" -m venv --clear $(VENV)
	@rm -f $@ $(CRUX_STAMP)
	$(SAY) "installing torch $(TORCH) in $(VENV)"
	@$(VENV)/bin/pip $(INSTALL) torch==$(TORCH) -c requirements.txt
	$(SAY) "installing the other packages in $(VENV) (2 minutes)"
	@$(VENV)/bin/pip $(INSTALL) --no-deps -r requirements.txt
	$(SAY) "$(VENV) is ready"
	@touch $@

$(LS_STAMP): requirements-label-studio.txt
	@python=$$(PYTHON="$(PYTHON)" scripts/python.sh); \
	[ -e $@ ] || "$$python" -m venv --clear $(LS)
	@rm -f $@
	$(SAY) "installing Label Studio in $(LS) (1 minute)"
	@$(LS)/bin/pip $(INSTALL) --no-deps -r requirements-label-studio.txt
	$(SAY) "$(LS) is ready"
	@touch $@

# It uses the torch of Crux, by a path that is added last: otherwise pip would regard the packages
# there as installed.
$(VLLM_STAMP): requirements-vllm.txt | $(CRUX_STAMP)
	@python=$$(PYTHON="$(PYTHON)" scripts/python.sh); \
	[ -e $@ ] || "$$python" -m venv --clear $(VLLM)
	@rm -f $@ $(VLLM)/lib/python3*/site-packages/crux.pth
	$(SAY) "installing vLLM in $(VLLM) (1 minute)"
	@$(VLLM)/bin/pip $(INSTALL) --no-deps -r requirements-vllm.txt
	@for site in $(VLLM)/lib/python3*/site-packages; do \
	    echo "$(abspath $(VENV))/$${site#$(VLLM)/}" > $$site/crux.pth; done
	$(SAY) "$(VLLM) is ready"
	@touch $@

$(RATINGS): | $(CRUX_STAMP)
	$(SAY) "fetching the ratings (vaderSentiment's source archive)"
	@mkdir -p $(@D)
	@$(VENV)/bin/pip download $(PIP_FLAGS) --disable-pip-version-check --no-input --no-deps \
	    --no-binary vaderSentiment --no-build-isolation -d $(@D) vaderSentiment==3.3.2
