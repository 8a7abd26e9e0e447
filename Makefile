# One command is the gate, here and in CI.
.PHONY: check quick lint types contracts test touched ci regress reference soak speed gpu-bundle
check: lint types contracts test

# While one works: what the changes since the last commit touch, side by side, in under a minute.
quick:
	$(MAKE) --jobs 3 --output-sync lint types touched

lint:
	ruff check .
	ruff format --check .

types:
	mypy

contracts:
	lint-imports

# As in a worker: benchmarks/processes.py says why.
WORKER = OMP_NUM_THREADS=1 MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TOP_PAD_=268435456

# A third process works where one of two waits for the disk or a clock. What is timed runs by itself, after the rest.
test:
	$(WORKER) python -m pytest -n 3 --dist worksteal --benchmark-disable --ignore tests/speed
	$(WORKER) python -m pytest tests/speed

touched:
	$(WORKER) python -m tests.touched

# What CI runs after `make check`: the wheel holds every file that the checkout runs on, sweeps on Ray and Slurm, and whether the code trains as well as it did.
ci:
	python -m tests.system.wheel
	SERVICES_REQUIRED=yes $(WORKER) python -m pytest tests/services -m "services and not soak"
	$(MAKE) regress

# This code against the committed baseline of the suite `regress`: a minute or two of two cores, and an error where it is worse.
regress:
	folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	python run_all.py run regress --no-report --out "$$folder/run" && \
	python run_all.py regress "$$folder/run" --baseline results/baseline/regress

# What takes minutes.
soak:
	$(WORKER) python -m pytest -m soak -s --timeout 3600
	$(WORKER) python -m tests.fuzz.soak

# What `run_all.py SUITE` left in results/reference, as it is committed; .gitignore names what of a report is not.
reference:
	for folder in results/reference/*/; do \
	  for table in curves bins; do if [ -f $$folder$$table.csv ]; then gzip -9nf $$folder$$table.csv; fi; done; \
	  python run_all.py report $$folder --force --venue neurips || exit 1; \
	done

# The engine against the baselines, to results/reference: a quarter of an hour on two idle cores.
speed:
	python -m tests.speed.measure

# What a GPU without a network needs for `python -m tests.gpu`, in parts; DATA is a folder of image files, LIMIT the MiB of a part.
gpu-bundle:
	python -m tests.gpu.bundle $(if $(DATA),--data $(DATA)) $(if $(LIMIT),--limit $(LIMIT))
