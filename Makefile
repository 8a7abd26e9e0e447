# One command is the gate, here and in CI.
.PHONY: check lint types contracts test
check: lint types contracts test

lint:
	ruff check .
	ruff format --check .

types:
	mypy

contracts:
	lint-imports

test:
	OMP_NUM_THREADS=1 python -m pytest
