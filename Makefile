# Every command a newcomer types; CI calls the same ones. A target is a line or two, and anything
# longer is a script with a name. A clone needs nothing but Python 3.11 or newer and make.

.DEFAULT_GOAL := help
.PHONY: help venv demo demo-stop test fuzz sim scenarios chaos lint fmt types generate docs smartmodules rust-smartmodules wheel images bench e2e e2e-cluster check changelog clean

PY := .venv/bin/python
READY := .venv/.ready
SMARTMODULES := build/.smartmodules
FUZZ_SECONDS ?= 600
ROUNDS ?= 50
COUNT ?= 100
SEED ?= 0
CLUSTER ?= kind

help: ## list the targets, one line each
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "make %-12s %s\n", $$1, $$2}' Makefile

$(READY): pyproject.toml constraints.txt scripts/make-venv
	@scripts/make-venv
	@touch $(READY)

venv: $(READY) ## make .venv with everything in it, the fluvio command too
	@echo ".venv is ready; '. .venv/bin/activate' puts the fluvio command on your PATH"

$(SMARTMODULES): $(READY) $(wildcard smartmodules/*/*) $(wildcard client/fluvio_cli/smartmodules/*.py)
	@$(PY) scripts/build-smartmodules
	@touch $(SMARTMODULES)

demo: $(READY) ## start a cluster here, stream this machine's live metrics through it, read them back
	@$(PY) examples/demo/demo.py $(ARGS)

demo-stop: $(READY) ## stop the demo's cluster and delete its data
	@$(PY) examples/demo/demo.py --stop

test: $(READY) $(SMARTMODULES) ## run every test that needs no Kubernetes [ARGS="-k name"]
	@$(PY) -m pytest $(ARGS)

fuzz: $(READY) ## send both public ports mutated frames [FUZZ_SECONDS=600]
	@FUZZ_SECONDS=$(FUZZ_SECONDS) $(PY) -m pytest tests/faults/test_fuzz_ports.py $(ARGS)

sim: $(READY) ## simulate replication under storms of faults [SEED=..] [COUNT=100]
	@PYTHONPATH=tests/sim:tests/storage $(PY) tests/sim/simulate.py --seed $(SEED) --count $(COUNT)

scenarios: $(READY) ## tell what replication promises as stories, and compare [REWRITE=1]
	@SCENARIOS_REWRITE=$(REWRITE) $(PY) -m pytest tests/sim/test_scenarios.py $(ARGS)

chaos: $(READY) ## hurt servers, networks and disks under a checked workload [ROUNDS=50] [SEED=..]
	@CHAOS_ROUNDS=$(ROUNDS) CHAOS_SEED=$(SEED) $(PY) -m pytest tests/faults/chaos/test_chaos.py -s $(ARGS)

lint: $(READY) ## ruff check and format check, import walls, CRDs as the models have them
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/lint-imports
	@$(PY) -m fluvio_crd.generate --check

fmt: $(READY) ## format, and fix what ruff can fix
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .

types: $(READY) ## mypy, strict
	@.venv/bin/mypy
	@MYPYPATH=bench:examples/demo:e2e .venv/bin/mypy bench/*.py examples/demo/*.py
	@MYPYPATH=e2e:tests/kube/crd .venv/bin/mypy e2e/*.py e2e/scenarios/*.py

generate: $(READY) ## write crds/ anew from the models in operator/fluvio_crd
	@$(PY) -m fluvio_crd.generate

docs: $(READY) $(SMARTMODULES) ## test the docs: every file, command, port and setting they name exists
	@$(PY) -m pytest tests/docs tests/test_house.py $(ARGS)

smartmodules: $(SMARTMODULES) ## compile the ready-made SmartModules into the package

rust-smartmodules: $(READY) ## compile the modules with which Fluvio's kit for Rust is tested; needs cargo
	@$(PY) scripts/build-rust-smartmodules

wheel: $(READY) $(SMARTMODULES) ## build the wheel into dist/
	@$(PY) -m pip wheel --quiet --no-deps --wheel-dir dist .

images: $(SMARTMODULES) ## build both container images [ARGS="--tag 0.1.0 --wheelhouse"]
	@scripts/build-images $(ARGS)

bench: $(READY) $(SMARTMODULES) ## compare with a small C server doing the same work [QUICK=1] [NAME=produce]
	@$(if $(filter operator,$(NAME)),scripts/bench-operator,$(PY) bench/run.py $(if $(NAME),--name $(NAME))) $(if $(QUICK),--quick) $(ARGS)

e2e: $(READY) $(SMARTMODULES) ## build both images, run the stories on Kubernetes [CLUSTER=kind, minikube, k3d, current]
	@scripts/run-e2e $(CLUSTER) $(ARGS)

e2e-cluster: ## bring up the Kubernetes cluster the end-to-end tests use [ARGS="--workers 2"]
	@e2e/cluster/cluster up $(ARGS)

check: lint types test ## what CI runs, quickest first

changelog: $(READY) ## show what the next release's changelog will say
	@.venv/bin/towncrier build --draft --version next

clean: ## remove .venv, caches and build results
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build client/fluvio_cli/bundled
