# Everything one does with crmbridge. `make` alone lists it.

.DEFAULT_GOAL := help
SHELL := /bin/sh

PYTHON ?= $(shell for each in python3.13 python3.12 python3.11 python3; do \
	$$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$each; break; }; done)
BIN := .venv/bin
SYNC := $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)
INSTALLED := .venv/installed
INSTALLED_DEV := .venv/installed-dev
# What the settings check needs to pass in production; the values are made up.
PRODUCTION := CRMBRIDGE_ENV=production ALLOWED_HOSTS=crm.example.com CRMBRIDGE_SITE_ADDRESS=https://crm.example.com \
	SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(64))') \
	CRMBRIDGE_FERNET_KEYS=$$($(BIN)/python -c 'from cryptography.fernet import Fernet as f; print(f.generate_key().decode())')

.PHONY: help
help: ## List what can be made.
	@echo "crmbridge keeps a company's financials and Dynamics 365 Sales equal, both ways."
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

.PHONY: install
install: $(INSTALLED) ## Install what crmbridge runs on into .venv.

.PHONY: demo
demo: $(INSTALLED) ## Show the whole chain on a made-up company. ARGS="--once --customers 100" and the like.
	@$(BIN)/python manage.py demo $(ARGS)

.PHONY: run
run: $(INSTALLED) ## Run web and worker on your own database, without demo data. ARGS="--port 8080".
	@$(BIN)/python manage.py run $(ARGS)

.PHONY: test
test: $(INSTALLED_DEV) ## Run everything that CI runs, on SQLite and on PostgreSQL with Redis.
	@$(BIN)/python bin/with_services.py $(MAKE) --keep-going --no-print-directory checks suites

.PHONY: checks suites
checks: lint types migrations deploy
# Both at once: each waits for its sandboxes and browsers a third of the time.
suites: $(INSTALLED_DEV)
	@$(MAKE) --no-print-directory --keep-going --jobs 2 $(SYNC) suite-sqlite suite-postgresql

.PHONY: lint
lint: $(INSTALLED_DEV) ## Check style, and who imports whom.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-cache

.PHONY: types
types: $(INSTALLED_DEV) ## Check types.
	$(BIN)/mypy .

.PHONY: migrations
migrations: $(INSTALLED_DEV)
	$(BIN)/python manage.py makemigrations --check --dry-run

.PHONY: deploy
deploy: $(INSTALLED_DEV)
	env -u DATABASE_URL -u REDIS_URL -u DEBUG $(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING

# The programs that tests start are up sooner where what they consist of is compiled once.
suite-sqlite suite-postgresql: export PYTHONDONTWRITEBYTECODE :=

.PHONY: suite-sqlite
suite-sqlite: $(INSTALLED_DEV)
	env -u DATABASE_URL -u REDIS_URL $(BIN)/pytest -n 2 $(ARGS)

.PHONY: suite-postgresql
suite-postgresql: $(INSTALLED_DEV)
	@test -n "$$DATABASE_URL" || { echo "DATABASE_URL is not set; make test sets it." >&2; exit 1; }
	$(BIN)/pytest -n 2 -m "not any_database" $(ARGS)

.PHONY: bench
bench: $(INSTALLED_DEV) ## Measure, and write var/bench.json.
	$(BIN)/python -m benchmarks $(ARGS)

.PHONY: messages
messages: $(INSTALLED) ## Collect texts for translation and compile the translations.
	$(BIN)/python manage.py makemessages --locale nb --no-location --no-obsolete --ignore '.venv' --ignore 'var'
	$(BIN)/python manage.py compilemessages --locale nb --ignore '.venv'

.PHONY: clean
clean: ## Remove what was made: environment, caches, demo and measurements. Your database in var/ stays.
	rm -rf .venv var/demo var/bench* var/services staticfiles .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "crmbridge needs Python 3.11 or newer. Install it, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv .venv

$(INSTALLED): requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	@touch $@

$(INSTALLED_DEV): requirements-dev.txt $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-dev.txt
	@touch $@
