# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Everything the targets install or make lies in .venv and .build.

PYTHON ?= python3
# For test-matrix: the pairs of ansible-core and Python to run, as in "2.17-3.11 2.21-3.13". None: all.
PAIRS ?=

VENV := $(CURDIR)/.venv
BUILD := $(CURDIR)/.build
STAGED := $(BUILD)/ansible_collections/sendclean/email

# Most of what is installed is never imported: Python compiles the rest when it is.
PIP_INSTALL := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile
# How the tools are run: those of .venv, with a home folder of their own and the installed collection.
# Whatever the environment says, Python keeps what it has compiled: each run of Ansible starts several processes.
RUN := env HOME="$(BUILD)/home" PATH="$(VENV)/bin:$(PATH)" ANSIBLE_HOME="$(BUILD)/home/.ansible" PYTHONDONTWRITEBYTECODE= \
	ANSIBLE_COLLECTIONS_PATH="$(BUILD)/installed" ANSIBLE_PYTHON_INTERPRETER="$(VENV)/bin/python"
# The same with the staged copy instead, for the tools that look at the sources.
RUN_STAGED := cd "$(STAGED)" && $(RUN) ANSIBLE_COLLECTIONS_PATH="$(BUILD)"

# Three at a time, the longest first.
TESTS := integration sanity unit lint docs-lint importer changelog-lint
.PHONY: help demo docs test $(TESTS) deliveries coverage test-matrix bench soak setup stage installed clean check-python
# One folder for all: targets wait for each other, whatever -j says.
.NOTPARALLEL:

help:  ## print this list
	@sed -n 's/^\([a-z-]*\):.*##  */\1	/p' Makefile | while IFS='	' read -r name text; do \
		printf '%-16s%s\n' "$$name" "$$text"; done

# --- for everyone ---------------------------------------------------------------------------------------------

demo: installed  ## watch Ansible manage SMTP users on a simulated SendClean
	@$(RUN) python tests/tools/demo.py

docs: setup $(BUILD)/site/done  ## make the documentation site in .build/site
	@echo "The site begins at $(BUILD)/site/index.html"

test: check-python  ## run all tests: the parts below, then a summary
	@$(PYTHON) tests/tools/run_parts.py "$(MAKE)" "$(BUILD)/summary.txt" setup $(TESTS)

# --- the parts of the tests -----------------------------------------------------------------------------------

unit: setup  ## run the unit tests
	@$(RUN) python -m pytest -q -n 2 --dist loadgroup tests/unit

# A file's tests share what is costly to set up: one process runs them. A third of their time they wait for time to pass.
integration: setup  ## run the integration tests: real playbooks against the simulated service
	@$(RUN) python -m pytest -q -n 3 --dist loadfile tests/integration

lint: setup  ## run ansible-lint, ruff and mypy
	@failed=0; \
	($(RUN_STAGED) ansible-lint) || failed=1; \
	$(RUN) ruff check || failed=1; \
	$(RUN) mypy $(foreach room,module_utils plugin_utils action filter lookup,-p ansible_collections.sendclean.email.plugins.$(room)) \
		-p simulator || failed=1; \
	$(RUN) mypy tests/tools tests/conftest.py || failed=1; \
	exit $$failed

sanity: setup  ## run ansible-test sanity
	@$(RUN) python tests/tools/sanity.py

importer: setup  ## let galaxy-importer judge the built artifact
	@$(RUN) python tests/tools/importer.py "$(BUILD)"/artifact/*.tar.gz

docs-lint: docs  ## check the documentation: make the site, where each warning is an error, and look at its pages
	@$(RUN_STAGED) antsibull-docs lint-collection-docs --plugin-docs .
	@$(RUN) python -m pytest -q tests/site

changelog-lint: setup  ## check the changelog and its fragments
	@$(RUN_STAGED) antsibull-changelog lint

# --- beside them ----------------------------------------------------------------------------------------------

test-matrix: setup  ## run tests on each supported pair of ansible-core and Python; choose with PAIRS="2.17-3.11 ..."
	@$(RUN) python tests/tools/matrix.py $(PAIRS)

deliveries: setup  ## run the recipes of docs/deliver-credentials.md against servers that it downloads, 200 MB in all
	@$(RUN) python tests/tools/deliveries.py "$(BUILD)/deliveries"
	@$(RUN) python -m pytest -q tests/integration/test_deliveries.py

coverage: setup  ## report the lines and branches of the plugins' utilities that the unit tests do not reach
	@$(RUN) coverage erase
	@$(RUN) coverage run -m pytest -q -n 2 --dist loadgroup tests/unit
	@$(RUN) coverage combine --quiet
	@$(RUN) coverage report

soak: setup  ## try random histories for about an hour, or as many as SENDCLEAN_SEQUENCES says
	@$(RUN) SENDCLEAN_SEQUENCES="$${SENDCLEAN_SEQUENCES:-40000}" \
		python -m pytest -q -n 2 --dist loadgroup tests/unit/exactly_once/test_histories.py

bench: installed  ## measure one user and whole accounts, against doing it by hand; takes an hour
	@$(RUN) python tests/bench/noop.py
	@$(RUN) python tests/bench/creations.py
	@$(RUN) python tests/bench/account.py
	@$(RUN) python tests/bench/database.py

setup: $(VENV)/developer installed  ## install the tools and the collection

installed: $(BUILD)/installed/done

stage: check-python  ## refresh the copy of the sources in .build/ansible_collections
	@$(PYTHON) tests/tools/stage.py

clean:  ## remove all that was made
	rm -rf "$(VENV)" "$(BUILD)"

# --- how things are made --------------------------------------------------------------------------------------

check-python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo 'Python 3.11 or newer is needed, and $(PYTHON) is not that. Name another: make PYTHON=python3.13'; exit 1; }

# .venv has two stages: "user" is enough for the demo, "developer" adds the tools for the tests.
$(VENV)/bin/python: | check-python
	@$(PYTHON) -m venv "$(VENV)"

$(VENV)/user: tests/requirements-demo.txt requirements.txt | $(VENV)/bin/python
	@echo "Installing into .venv: $<"
	@$(PIP_INSTALL) -r tests/requirements-demo.txt
	@touch "$@"

$(VENV)/developer: tests/requirements.txt tests/requirements-pytest.txt $(wildcard tests/*/requirements.txt) \
		docs/site/requirements.txt $(VENV)/user
	@echo "Installing into .venv: $<"
	@$(PIP_INSTALL) -r tests/requirements.txt
	@touch "$@"

# A home folder inside the clone, which still knows where pip is told to find packages.
$(BUILD)/home:
	@mkdir -p "$@/.config"
	@for name in .pip .config/pip; do \
		if [ -e "$$HOME/$$name" ]; then ln -s "$$HOME/$$name" "$@/$$name"; fi; done

# stage.py touches this file only if a source changed.
$(BUILD)/staged: stage ;

# The collection as a user gets it: built, then installed from the artifact.
$(BUILD)/installed/done: $(BUILD)/staged $(VENV)/user | $(BUILD)/home
	@rm -rf "$(BUILD)/artifact" "$(BUILD)/installed"
	@$(RUN_STAGED) ansible-galaxy collection build --output-path "$(BUILD)/artifact" >/dev/null
	@$(RUN) ansible-galaxy collection install --offline --no-deps -p "$(BUILD)/installed" \
		"$(BUILD)"/artifact/*.tar.gz >/dev/null
	@touch "$@"

# What git knows, beside what antsibull-docs makes of the installed collection.
$(BUILD)/site/done: $(BUILD)/staged $(BUILD)/installed/done $(VENV)/developer
	@rm -rf "$(BUILD)/site" "$(BUILD)/site-source"
	@git -C "$(STAGED)" checkout-index --all --prefix="$(BUILD)/site-source/"
	@mv "$(BUILD)/site-source/docs/site/index.rst" "$(BUILD)/site-source"
	@mkdir -m 755 "$(BUILD)/site-source/reference"
	@$(RUN) antsibull-docs collection --use-current --squash-hierarchy --fail-on-error \
		--dest-dir "$(BUILD)/site-source/reference" sendclean.email
	@$(RUN) sphinx-build --quiet --fail-on-warning --keep-going --nitpicky --fresh-env \
		--conf-dir docs/site --doctree-dir "$(BUILD)/site-doctrees" "$(BUILD)/site-source" "$(BUILD)/site"
	@touch "$@"
