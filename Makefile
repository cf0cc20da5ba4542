# make run    the demo: connector, SMSC simulator, broker, three texts; Ctrl-C ends all of it
# make test   every test, by trial, with real ActiveMQ, RabbitMQ, Kannel and Chromium (by apt when root and missing)
# make check  the gate: ruff, news files, mypy, tests
# make audit  what is installed beside requirements.lock, advisories on it, and bandit's look at the code
# make lock   requirements.lock anew, from setup.py; with UPGRADE=--upgrade with the newest that setup.py allows
# make news   what the files in newsfragments/ make of the next release's section of CHANGELOG.rst
# make docs   the pages as HTML, in build/docs: no warning passes
# make deb    the Debian package, in dist; make deb-check installs it into a clean root and sends a text (as root)
# make hooks  git runs lint and types before each commit (pre-commit)
# make simulate SEEDS=1000 FROM=0 JOBS=2    the whole daemon in simulated time, misfortune by the seed
# make endure ROUNDS=200                    real processes, killed under load, counted from outside
# make endure-kannel                        5,000 texts through a real Kannel, and their receipts
# make endure-later                         an agent among a campaign; 100,000 texts that are due at one second
# make endure-provider                      the whole way of an HTTP provider, killed 50 times under each policy
# make bench PEERS=kannel ROUNDS=3 TEXTS=20000 ROWS="W1 W2"    what a message costs, beside floors and other gateways
# make bench-batch    what a message of a batch costs, beside one of its own
# make bench-growth   more messages stored, more connections, more binds; some minutes
# make endure-broker                        real ActiveMQ and RabbitMQ: slow, full, refusing, killed; some minutes

PYTHON ?= python3
VENV ?= .venv
# "-e" follows the working tree; empty installs a copy, as users do
EDITABLE ?= -e
# 1: `make install` takes what requirements.lock says, and compares the hashes; empty: the newest that setup.py allows
LOCKED ?=
UPGRADE ?=
BIN := $(VENV)/bin
ACTIVEMQ := /usr/share/activemq/bin/activemq.jar
RABBITMQ := /usr/lib/rabbitmq/bin/rabbitmq-server
KANNEL := /usr/sbin/bearerbox
PARTS := activemq default-jdk-headless rabbitmq-server kannel curl nodejs chromium
TESTS ?= tests

SEEDS ?= 1000
FROM ?= 0
JOBS ?= 2
endure: ROUNDS ?= 200

PEER := build/native/peer
# make bench: other gateways to measure beside ours (kannel); rows, all if empty; a checkout, or a Python, to compare with
PEERS ?=
ROWS ?=
TEXTS ?= 20000
bench: ROUNDS ?= 3
AGAINST ?=
AGAINST_PYTHON ?=
# make bench-growth: messages stored, at most
STORED ?= 5000000
# peer: its own broker, which costs nothing; or activemq, a real one
BROKER ?= peer

.PHONY: docs deb deb-check bench bench-batch bench-growth endure-kannel endure-later endure-provider run test check audit lock lint types news hooks install parts simulate endure endure-broker clean

run: $(VENV)/installed
	@$(BIN)/smsconnector demo

test: $(VENV)/installed parts
	$(BIN)/python -m twisted.trial $(TESTS)

check: lint types test

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@$(BIN)/towncrier build --draft >/dev/null 2>&1 || $(BIN)/towncrier build --draft

types: $(VENV)/installed
	$(BIN)/mypy

audit: $(VENV)/installed
	$(BIN)/python -m pip check
	$(BIN)/python -m tests.audit

# by pip-tools, in an environment of its own; it writes no index and no place on this machine
lock:
	@test -x build/lock/bin/pip-compile || { $(PYTHON) -m venv build/lock && build/lock/bin/python -m pip install --quiet --disable-pip-version-check pip-tools; }
	@CUSTOM_COMPILE_COMMAND="make lock" build/lock/bin/pip-compile --quiet $(UPGRADE) --generate-hashes --allow-unsafe --strip-extras \
	    --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options \
	    --extra test --extra demo --output-file requirements.lock setup.py

news: $(VENV)/installed
	@$(BIN)/towncrier build --draft

docs: $(VENV)/installed
	@$(BIN)/python -c "import sphinx" 2>/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check '.[docs]'
	@$(BIN)/python docs/make.py build/docs
	@echo "build/docs/index.html"

deb: $(VENV)/installed
	@$(BIN)/python packaging/deb.py dist

deb-check: $(VENV)/installed
	@$(BIN)/python -m tests.endurance.package

hooks: $(VENV)/installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check pre-commit
	@$(BIN)/pre-commit install

install: $(VENV)/installed

# compat: an editable install that lets twistd find the plugins (setuptools' default way hides them)
$(VENV)/installed: setup.py pyproject.toml $(if $(LOCKED),requirements.lock)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) ..."
ifeq ($(LOCKED),)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --config-settings editable_mode=compat $(EDITABLE) '.[test,demo]'
else
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --config-settings editable_mode=compat $(EDITABLE) .
endif
	@touch $@

parts:
	@if [ -e $(ACTIVEMQ) ] && [ -e $(RABBITMQ) ] && [ -e $(KANNEL) ] && command -v javac >/dev/null \
	    && command -v curl >/dev/null && command -v node >/dev/null && command -v chromium >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "installing ActiveMQ, RabbitMQ, a JDK, Kannel, curl, Node.js and Chromium for the integration tests ..."; \
	    (apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(PARTS)) >/dev/null \
	    || echo "apt-get failed: the tests with real brokers, Kannel, examples in other languages and a browser will be skipped"; \
	else echo "some tests with real brokers, Kannel, examples in other languages and a browser will be skipped; to run them: apt-get install $(PARTS)"; fi

simulate: $(VENV)/installed
	@$(BIN)/python -m tests.simulation --seeds $(SEEDS) --from $(FROM) --jobs $(JOBS)

endure: $(VENV)/installed parts
	@$(BIN)/python -m tests.endurance.kills --rounds $(ROUNDS)

endure-broker: $(VENV)/installed parts
	@$(BIN)/python -m tests.endurance.brokers

endure-later: $(VENV)/installed parts
	@$(BIN)/python -m tests.endurance.priorities
	@$(BIN)/python -m tests.endurance.schedules

endure-kannel: $(VENV)/installed parts
	@$(BIN)/python -m tests.endurance.kannel

endure-provider: $(VENV)/installed parts
	@$(BIN)/python -m tests.endurance.provider_kills --rounds 50 --policy resend
	@$(BIN)/python -m tests.endurance.provider_kills --rounds 50 --policy hold

bench: $(VENV)/installed $(PEER)
	@$(BIN)/python -m benchmarks.bench --rounds $(ROUNDS) --texts $(TEXTS) --broker $(BROKER) \
	    $(if $(PEERS),--peers $(PEERS)) $(if $(ROWS),--rows $(ROWS)) $(if $(AGAINST),--against $(AGAINST)) $(if $(AGAINST_PYTHON),--against-python $(AGAINST_PYTHON))

bench-batch: ROUNDS ?= 3
bench-batch: $(VENV)/installed $(PEER)
	@$(BIN)/python -m benchmarks.batch --rounds $(ROUNDS) --texts $(TEXTS)

bench-growth: ROUNDS ?= 1
bench-growth: $(VENV)/installed $(PEER)
	@$(BIN)/python -m benchmarks.bench --growth --rounds $(ROUNDS) --texts $(TEXTS) --stored $(STORED)

$(PEER): $(wildcard benchmarks/native/*)
	@mkdir -p $(@D)
	$(CC) -std=c11 -O2 -Wall -Wextra -o $@ $(filter %.c,$^)

clean:
	rm -rf $(VENV) build dist *.egg-info _trial_temp* .mypy_cache .ruff_cache .hypothesis .peers
