# One command is the gate, here and in CI.
.PHONY: check lint types contracts test soak
check: lint types contracts test

lint:
	ruff check .
	ruff format --check .

types:
	mypy

contracts:
	lint-imports

# As in a worker: benchmarks/launch/local.py says why.
test:
	OMP_NUM_THREADS=1 MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TOP_PAD_=268435456 python -m pytest

# What takes minutes: the same checks on many more draws.
soak:
	OMP_NUM_THREADS=1 python -m pytest -m soak --timeout=3600
