# Every command of the project. `make` alone prints what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv
PACKAGES := libs/contracts libs/chassis libs/client libs/cli services/user-service services/event-service \
            services/delivery-service services/analytics-service services/console deploy/local tests/kit
SERVICES := user-service event-service delivery-service analytics-service console
CHECKED := libs services deploy tests bench
# Compiled modules are kept whatever the environment says: without them a service takes twice as long to start, and
# pytest rewrites the assertions of every test module again in each worker.
unexport PYTHONDONTWRITEBYTECODE
INSTALL := $(UV) pip install --quiet --compile-bytecode

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  \033[1m%-16s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# -- set-up -----------------------------------------------------------------------------------------------------------

$(VENV)/installed: requirements/bootstrap.txt requirements/dev.txt requirements/tzdata-2022.txt $(addsuffix /pyproject.toml,$(PACKAGES))
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	$(UV) pip sync --quiet --compile-bytecode --require-hashes requirements/dev.txt
	$(INSTALL) --no-deps --no-build-isolation $(foreach package,$(PACKAGES),-e $(package))
	$(INSTALL) --require-hashes --target $(VENV)/tzdata-2022 -r requirements/tzdata-2022.txt
	touch $@

.PHONY: install
install: $(VENV)/installed ## Create .venv and install everything, hash-checked

$(VENV)/deploy-tools: $(VENV)/installed requirements/deploy.txt
	$(INSTALL) --require-hashes -r requirements/deploy.txt
	touch $@

$(VENV)/browser-tools: $(VENV)/installed requirements/browser.txt
	$(INSTALL) --require-hashes -r requirements/browser.txt
	touch $@

$(VENV)/policies/installed: $(VENV)/installed requirements/policies.txt
	$(PYTHON) -m venv $(VENV)/policies
	VIRTUAL_ENV=$(CURDIR)/$(VENV)/policies $(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes requirements/policies.txt
	touch $@

.PHONY: system-packages browser-packages
system-packages: ## Install what some tests want of Debian, as root: pgbouncer, promtool, amtool, spin, gcc and node
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends pgbouncer prometheus prometheus-alertmanager \
	  spin gcc libc6-dev nodejs

browser-packages: ## Install the browser that `make test-browser` drives, as root
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium fonts-dejavu-core

COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
           $(foreach name,contracts chassis client cli $(SERVICES) local testkit,--no-emit-package almanac-$(name))
.PHONY: lock
lock: ## Compile requirements/*.txt from the packages' pyproject.toml
	@$(COMPILE) --group bootstrap -o requirements/bootstrap.txt
	@$(COMPILE) --group dev -o requirements/dev.txt
	@$(COMPILE) --group tzdata-2022 -o requirements/tzdata-2022.txt
	@$(COMPILE) -c requirements/dev.txt --group deploy -o requirements/deploy.txt
	@$(COMPILE) -c requirements/dev.txt --group browser -o requirements/browser.txt
	@$(COMPILE) --group policies -o requirements/policies.txt
	@cd libs/cli && $(subst $(BIN),../../$(BIN),$(COMPILE)) -c ../../requirements/dev.txt pyproject.toml -o ../../requirements/cli.txt
	@$(foreach service,$(SERVICES),cd services/$(service) && $(subst $(BIN),../../$(BIN),$(COMPILE)) \
	  -c ../../requirements/dev.txt pyproject.toml -o ../../requirements/$(service).txt && cd ../.. &&) true

# -- run --------------------------------------------------------------------------------------------------------------

.PHONY: run demo contracts rules settings-reference
run: install ## Run everything on this machine, with sample users, until Ctrl-C
	@$(BIN)/python -m local_stack up

demo: install ## A day in time-lapse: make demo [USERS=users.csv] [DAY=2027-02-28] [SPEED=2880] [BROADCAST=12:00]
	@$(BIN)/python -m local_stack demo --users "$(USERS)" --day "$(DAY)" --speed "$(SPEED)" --broadcast "$(BROADCAST)"

settings-reference: install ## Write docs/reference/settings.md from the code
	@$(BIN)/python tests/house/settings_reference.py

contracts: install ## Write docs/reference/messages.md, and JSON Schemas and the AsyncAPI document to dist/contracts
	$(BIN)/python -m contracts messages docs/reference/messages.md
	$(BIN)/python -m contracts export dist/contracts

rules: install ## Write Prometheus' rules and the table of alerts from the catalogue in contracts.alerts
	$(BIN)/python -m contracts rules deploy/observability/prometheus/rules docs/operations.md

# -- check ------------------------------------------------------------------------------------------------------------

.PHONY: test test-dates test-far-date test-faults test-kills test-states lint format
test: install ## Run all tests, in parallel (twelve minutes on two cores)
	$(BIN)/pytest -n 2 --dist loadgroup

$(VENV)/wall_clock.so: tests/dates/wall_clock.c $(VENV)/installed
	$(CC) -O2 -Wall -Wextra -Werror -shared -fPIC -o $@ $< -ldl

test-dates: $(VENV)/wall_clock.so ## Run the tests under other dates (two hours; needs a C compiler): make test-dates [DATES="+400d new-year"] [TESTS=services]
	$(BIN)/python tests/dates/run.py --library $< $(DATES) $(if $(TESTS),--tests $(TESTS))

# One far date for what reads a clock of its own: the services' firing, leases, processes and alerts.
FAR_TESTS := $(addprefix services/,event-service/tests/integration/test_firing.py event-service/tests/integration/test_waking.py \
  event-service/tests/integration/test_next_occurrence.py event-service/tests/integration/test_event_partitions.py \
  delivery-service/tests/unit/test_tallies.py delivery-service/tests/integration/test_leases.py \
  delivery-service/tests/integration/test_delivery_process.py analytics-service/tests/integration/test_alerting.py) \
  libs/chassis/tests/test_clock.py
test-far-date: $(VENV)/wall_clock.so ## Some of the tests under a date far ahead (a minute)
	$(BIN)/python tests/dates/run.py --library $< +400d --tests $(FAR_TESTS)

KILL_EVENTS ?= 5000
test-faults: install ## Bus and database restarted under a worker: what takes a minute and is not in `make test`
	$(BIN)/pytest -m slow services/delivery-service tests/e2e

test-kills: install ## Schedulers are killed at random while many events come due: make test-kills [KILL_EVENTS=5000]
	KILL_EVENTS=$(KILL_EVENTS) $(BIN)/pytest services/event-service/tests/integration/test_killed_schedulers.py

STATE_EXAMPLES ?= 1000
test-states: install ## Generated orders of everything that can happen to events: make test-states [STATE_EXAMPLES=1000]
	STATE_EXAMPLES=$(STATE_EXAMPLES) STATE_STEPS=50 $(BIN)/pytest services/event-service/tests/integration/test_event_states.py

MIGRATION_USERS ?= 100000
.PHONY: test-migration old-system
test-migration: install ## Move a generated old system by the commands of docs/migrating.md: make test-migration [MIGRATION_USERS=100000]
	MIGRATION_USERS=$(MIGRATION_USERS) IMPORT_LINES=$(MIGRATION_USERS) $(BIN)/pytest tests/e2e/test_migration.py \
	  services/event-service/tests/integration/test_large_imports.py

OLD_USERS ?= 10000
old-system: install ## Make up an old system to migrate, beside `make run`: make old-system [OLD_USERS=10000]
	@$(BIN)/python -m local_stack.old_system --users $(OLD_USERS)

.PHONY: model
model: ## Check the protocol of claims and publications with spin (docs/model), in seconds
	@docs/model/check.sh $(MODEL_OPTIONS)
SOAK_USERS ?= 500
SOAK_DAYS ?= 365
.PHONY: soak-year
soak-year: install ## A year in time-lapse with edits, moves and outages, against its own computation: make soak-year [SOAK_USERS=500] [SOAK_DAYS=365]
	@$(BIN)/python -m local_stack soak-year --users $(SOAK_USERS) --days $(SOAK_DAYS)

.PHONY: test-browser screenshots
test-browser: $(VENV)/browser-tools ## The console in a real browser, on a running stack (minutes)
	@command -v chromium >/dev/null || $(MAKE) browser-packages
	$(BIN)/pytest tests/browser

screenshots: $(VENV)/browser-tools ## Write a picture of each page of the console, light and dark, to docs/img
	@command -v chromium >/dev/null || $(MAKE) browser-packages
	$(BIN)/pytest tests/browser/test_pages.py --screenshots docs/img

CASES ?= 10000
.PHONY: fuzz
fuzz: install ## Fuzz the four APIs by their OpenAPI documents: make fuzz CASES=10000 (of each)
	FUZZ_CASES=$(CASES) $(BIN)/pytest -n 2 -rP --timeout 7200 tests/fuzz/test_apis.py

ANSWERS ?= 100000
FUZZ_SEED ?= 1
.PHONY: fuzz-receivers
fuzz-receivers: install ## Generated answers of receivers against the real sender: make fuzz-receivers [ANSWERS=100000] [FUZZ_SEED=1]
	FUZZED_ANSWERS=$$(( $(ANSWERS) / 2 )) FUZZ_SEED=$(FUZZ_SEED) $(BIN)/pytest services/delivery-service/tests/receivers/test_fuzzed_answers.py

lint: install ## Style, strict types, import rules
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/ruff format --check $(CHECKED)
	$(BIN)/mypy libs/*/src services/*/src deploy/local/src tests/kit/src deploy/aws
	@$(foreach tests,$(wildcard libs/*/tests services/*/tests deploy/local/tests) tests bench,echo mypy $(tests) && $(BIN)/mypy $(tests) &&) true
	$(BIN)/lint-imports --no-logo

format: install ## Rewrite the code in the project's style
	$(BIN)/ruff check --fix $(CHECKED)
	$(BIN)/ruff format $(CHECKED)

# -- ship -------------------------------------------------------------------------------------------------------------

PROFILE ?= 1m
.PHONY: chart chart-topology chart-golden test-deploy test-cluster
chart: ## Print the Helm chart rendered for a profile: make chart PROFILE=dev|10k|100k|1m|5m
	@$(MAKE) -s $(VENV)/deploy-tools >&2
	@$(BIN)/python deploy/k8s/almanac_chart.py render $(PROFILE)

chart-topology: install ## Write the chart's file of queues from the contracts
	$(BIN)/python deploy/k8s/almanac_chart.py topology

chart-golden: $(VENV)/deploy-tools ## Write the renders that reviewers read, tests/deploy/golden
	$(BIN)/pytest -q tests/deploy/test_chart.py -k reviewed --write-golden

STAGE ?= 1m
.PHONY: synth aws-values
synth: $(VENV)/deploy-tools ## Write the AWS templates: make synth STAGE=dev|10k|100k|1m|5m [CONTEXT="region=… oidcProvider=…"]
	@$(BIN)/python deploy/aws/app.py -c stage=$(STAGE) $(foreach each,$(CONTEXT),-c $(each))

aws-values: install ## Print what the chart must know of AWS: make -s aws-values STAGE=1m CONTEXT="account=…" [SEAT=standby]
	@$(BIN)/python deploy/aws/app.py values $(SEAT) -c stage=$(STAGE) $(foreach each,$(CONTEXT),-c $(each))

test-deploy: $(VENV)/deploy-tools $(VENV)/policies/installed ## All of what ships: chart, images, compose, rules, AWS (minutes)
	$(BIN)/pytest -n 2 --dist loadgroup tests/deploy -m ""

BUILDER ?= docker
IMAGE_LOADER ?= kind load docker-image
test-cluster: install ## A release on the cluster of KUBECONFIG, from install to uninstall (an hour): make test-cluster [BUILDER=buildah] [IMAGE_LOADER="ctr -n k8s.io images import"]
	BUILDER="$(BUILDER)" IMAGE_LOADER="$(IMAGE_LOADER)" $(BIN)/pytest tests/cluster -x -v -rP

# -- measure ----------------------------------------------------------------------------------------------------------

N ?= 5000
ROWS ?= 1000000
.PHONY: bench-pipeline bench-peers bench-bus bench-import bench-api bench-claim bench-broadcast bench-lateness bench-storm bench-delivery bench-isolation bench-analytics bench-rollups
bench-pipeline: install ## N events due at one instant, through everything: make bench-pipeline N=5000
	@$(BIN)/python -m bench.pipeline --n $(N)

bench-peers: install ## The same POSTs by procrastinate and pgqueuer: make bench-peers N=5000
	@$(BIN)/python -m bench.peers --n $(N)

bench-import: install ## N users through an import until all are scheduled: make bench-import N=100000
	@$(BIN)/python -m bench.imports --n $(N)

bench-api: install ## 200 requests a second to user-service's API, while everything runs
	@$(BIN)/python -m bench.api

bench-broadcast: install ## A broadcast to N recipients, until all have their events: make bench-broadcast N=200000
	@$(BIN)/python -m bench.broadcast --n $(N)

bench-claim: install ## Claims with this many pending events, at one size or several: make bench-claim ROWS="1000000 10000000"
	@$(BIN)/python -m bench.claims --rows $(ROWS)

SECONDS_DUE ?= 60
bench-lateness: install ## Random arrivals at 25,000 an hour through everything: make bench-lateness [SECONDS_DUE=60]
	@$(BIN)/python -m bench.lateness --seconds $(SECONDS_DUE)

STORM ?= 25000
bench-storm: install ## This many events due at one instant, 1,000 of them critical: make bench-storm [STORM=25000]
	@$(BIN)/python -m bench.storm --n $(STORM)

bench-delivery: install ## Our worker alone beside job queues and a bare client: make bench-delivery N=5000
	@$(BIN)/python -m bench.delivery --n $(N)

bench-isolation: install ## Deliveries beside failing endpoints, and critical ones in a flood
	@$(BIN)/python -m bench.delivery.isolation

bench-analytics: N = 200000
bench-analytics: install ## N items straight into analytics' consumer: make bench-analytics [N=1000000]
	@$(BIN)/python -m bench.analytics --n $(N)

ROLLED_UP ?= 10000000
bench-rollups: install ## The console's queries on a year's rollups of this many events: make bench-rollups [ROLLED_UP=10000000]
	@$(BIN)/python -m bench.rollups --events $(ROLLED_UP)

bench-bus: install ## What SNS and SQS calls cost on the emulator
	@$(BIN)/python -m bench.bus
