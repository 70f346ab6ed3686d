# Two environments of their own below .venv: "user" holds what a user installs, "dev" an editable build with the test tools.
# Stamps make the second run quick; SOURCES decide when to build again.

PYTHON ?= python3
USER_BIN := .venv/user/bin
DEV_BIN := .venv/dev/bin
SOURCES := Cargo.toml Cargo.lock pyproject.toml README.md LICENSE \
	$(shell find rust python -name '*.rs' -o -name 'Cargo.toml' -o -name '*.py' -o -name '*.pyi')
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export HF_HUB_OFFLINE := 1

.PHONY: demo test test-python test-rust lint format bench recipes study quality mutants fuzz wheel-smoke clean

demo: .venv/user/.stamp
	$(USER_BIN)/hardmine demo

test: test-rust test-python

test-rust:
	cargo test --locked -p hardmine-core

test-python: .venv/dev/.stamp
	$(DEV_BIN)/pytest

lint: .venv/dev/.stamp
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	$(DEV_BIN)/ruff check .
	$(DEV_BIN)/ruff format --check .
	$(DEV_BIN)/mypy
	$(DEV_BIN)/stubtest hardmine._native --allowlist tests/stubtest-allowlist.txt

format: .venv/dev/.stamp
	cargo fmt --all
	$(DEV_BIN)/ruff check --fix .
	$(DEV_BIN)/ruff format .

# Writes docs/benchmarks.md, the page of ratios against the peers (an optimised build, an hour on two cores).
bench: .venv/dev/.bench-stamp
	$(DEV_BIN)/python benches/report.py --output docs/benchmarks.md

# A folder of the public collections that docs/recipes.md names.
DATA ?= ../shared/data

# Writes docs/recipes.md: every system of the papers in miniature, one arm against another (some 25 minutes of a processor).
recipes: .venv/dev/.stamp
	$(DEV_BIN)/python -m examples.recipes --data $(DATA) --cache target/embeddings --output docs/recipes.md

# Which negatives train the better retriever: every training anew into STUDY (some hours), and the page from it.
STUDY ?= study.jsonl
study: .venv/dev/.bench-stamp
	set -e; for stage in check tune judge; do \
		$(DEV_BIN)/python -m benches.quality.study $$stage --data $(DATA) --cache target/embeddings --results $(STUDY); done
	$(DEV_BIN)/python -m benches.quality.study page --results $(STUDY) --output docs/study.md

# The false-negative curves of the rules, on the collections of DATA that are judged (nearly) completely.
quality: .venv/dev/.bench-stamp
	$(DEV_BIN)/python benches/quality/curve.py $(DATA)/cranfield $(DATA)/cisi

# Plant known faults in a copy of the source, one at a time, and see the tests catch them (an hour).
mutants: .venv/dev/.stamp
	$(DEV_BIN)/python -m tests.mutants

# Coverage-guided fuzzing of arrays, parameters and every file reader, FUZZ_SECONDS for each target.
FUZZ_SECONDS ?= 60
FUZZ_TARGETS := shapes parameters sparse saved shard pairs parquet beir trec tsvrun tevatron runtable runarrow rectangles kd qrels \
	msmarco records rows state sources rules
fuzz: .venv/dev/.stamp
	$(DEV_BIN)/pip install -q 'atheris>=3'
	set -e; for target in $(FUZZ_TARGETS); do echo "fuzz $$target"; $(DEV_BIN)/python fuzz/fuzz.py $$target $(FUZZ_SECONDS); done

# The wheel, alone with NumPy in a clean environment.
wheel-smoke:
	rm -rf dist .venv/smoke
	$(PYTHON) -m venv .venv/smoke
	.venv/smoke/bin/pip wheel -q --no-deps -w dist .
	.venv/smoke/bin/pip install -q dist/*.whl
	.venv/smoke/bin/python -W error tests/smoke.py

clean:
	rm -rf target dist .venv

.venv/user/.stamp: $(SOURCES)
	test -d .venv/user || $(PYTHON) -m venv .venv/user
	$(USER_BIN)/pip install -q '.[mine]'
	@touch $@

.venv/dev/.tools: pyproject.toml
	test -d .venv/dev || $(PYTHON) -m venv .venv/dev
	$(DEV_BIN)/pip install -q 'maturin>=1.9,<2'
	@touch $@

# The dev profile is optimised but keeps overflow checks and debug assertions: the tests run with both.
.venv/dev/.stamp: .venv/dev/.tools $(SOURCES)
	VIRTUAL_ENV=$(CURDIR)/.venv/dev $(DEV_BIN)/maturin develop -q --locked --profile dev --extras mine,torch,test,lint
	@rm -f .venv/dev/.bench-stamp; touch $@

.venv/dev/.bench-stamp: .venv/dev/.tools $(SOURCES)
	VIRTUAL_ENV=$(CURDIR)/.venv/dev $(DEV_BIN)/maturin develop -q --locked --release --extras mine,torch,test,bench
	@rm -f .venv/dev/.stamp; touch $@
