# Two environments of their own below .venv: "user" holds what a user installs, "dev" an editable build with the test tools.
# Stamps make the second run quick; SOURCES decide when to build again.

PYTHON ?= python3
USER_BIN := .venv/user/bin
DEV_BIN := .venv/dev/bin
SOURCES := Cargo.toml Cargo.lock pyproject.toml README.md LICENSE \
	$(shell find rust python -name '*.rs' -o -name 'Cargo.toml' -o -name '*.py' -o -name '*.pyi')
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export HF_HUB_OFFLINE := 1

# Processes of pytest that run side by side; with 1 the tests run in one process, as plain `pytest` does. Side by side each
# computes with one thread of torch (the threads of this library and of NumPy stay as they are): two processes that wait for
# each other's threads at every step of a model take many times as long.
TEST_JOBS ?= 2
SIDE_BY_SIDE := $(filter-out 0 1,$(TEST_JOBS))

.PHONY: demo test test-python test-rust lint lint-rust lint-python format docs pictures bench recipes study quality mutants fuzz wheel-smoke clean

# Mines a collection made from the docstrings of your Python.
demo: .venv/user/.stamp
	$(USER_BIN)/hardmine demo

# Every test.
test: test-rust test-python

# The tests of the Rust core.
test-rust:
	cargo test --locked -p hardmine-core

# The tests of the Python package.
test-python: .venv/dev/.stamp
	$(if $(SIDE_BY_SIDE),MKL_NUM_THREADS=1) $(DEV_BIN)/pytest $(if $(SIDE_BY_SIDE),--numprocesses $(TEST_JOBS) --dist worksteal)

# Formatters, linters and types of both languages.
lint: lint-rust lint-python

# Those of Rust.
lint-rust:
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

# Those of Python.
lint-python: .venv/dev/.stamp
	$(DEV_BIN)/ruff check .
	$(DEV_BIN)/ruff format --check .
	$(DEV_BIN)/mypy
	$(DEV_BIN)/stubtest hardmine._native --allowlist tests/stubtest-allowlist.txt

# Puts both languages into shape.
format: .venv/dev/.stamp
	cargo fmt --all
	$(DEV_BIN)/ruff check --fix .
	$(DEV_BIN)/ruff format .

# The site, in target/site: every warning, such as a dead link inside or a page that nothing leads to, is an error.
docs: .venv/dev/.stamp
	$(DEV_BIN)/sphinx-build -W --keep-going -q -b html -d target/site-doctrees docs target/site
	@echo "target/site/index.html"

# Draws docs/pictures anew: the charts of docs/benchmarks.md and benches/history, and a photograph of a report (needs Chromium).
pictures: .venv/dev/.stamp
	$(DEV_BIN)/python docs/pictures/make.py

# Writes docs/benchmarks.md, the page of ratios against the peers, and docs/benchmarks.json, its data, keeps the ratios in benches/history, and draws both (an optimised build, an hour on two cores).
bench: .venv/dev/.bench-stamp
	$(DEV_BIN)/python -m benches.report --output docs/benchmarks.md --json docs/benchmarks.json --history benches/history
	$(DEV_BIN)/python docs/pictures/make.py --only speed history

# A folder of the public collections that docs/recipes.md names.
DATA ?= ../shared/data

# Writes docs/recipes.md: every system of the papers in miniature, one arm against another (some 25 minutes of a processor).
recipes: .venv/dev/.stamp
	$(DEV_BIN)/python -m examples.recipes --data $(DATA) --cache target/embeddings --output docs/recipes.md

# Which negatives train the better retriever: every training anew into STUDY (some hours), and the page from it.
STUDY ?= study.jsonl
study: .venv/dev/.bench-stamp
	set -e; run() { $(DEV_BIN)/python -m benches.quality.study "$$@" --data $(DATA) --cache target/embeddings --results $(STUDY); }; \
	run check; for student in A A8 B C; do run tune --student $$student; run judge --student $$student; done
	$(DEV_BIN)/python -m benches.quality.study page --results $(STUDY) --output docs/study.md

# The false-negative curves of the rules, on the collections of DATA that are judged (nearly) completely.
quality: .venv/dev/.bench-stamp
	$(DEV_BIN)/python benches/quality/curve.py $(DATA)/cranfield $(DATA)/cisi

# Plant known faults in a copy of the source, one at a time, and see the tests catch them (an hour).
mutants: .venv/dev/.stamp
	$(DEV_BIN)/python -m tests.mutants

# Coverage-guided fuzzing of arrays, parameters and every file reader, FUZZ_SECONDS for each target; -j2 takes two at a time.
FUZZ_SECONDS ?= 60
FUZZ_TARGETS := shapes parameters sparse saved shard pairs parquet beir trec tsvrun tevatron runtable runarrow rectangles kd qrels \
	msmarco records rows state sources rules
FUZZ_ONE := $(addprefix fuzz-,$(FUZZ_TARGETS))
.PHONY: $(FUZZ_ONE)
fuzz: $(FUZZ_ONE)

$(FUZZ_ONE): fuzz-%: .venv/dev/.fuzz
	@echo "fuzz $*"
	@$(DEV_BIN)/python fuzz/fuzz.py $* $(FUZZ_SECONDS)

# The wheel, alone with NumPy in a clean environment.
# It has a target folder of its own: maturin lays what it packs into one
# place of the folder, where an editable build that runs at the same time lays its module too.
wheel-smoke:
	rm -rf dist .venv/smoke
	$(PYTHON) -m venv .venv/smoke
	CARGO_TARGET_DIR=$(CURDIR)/target/wheel .venv/smoke/bin/pip wheel -q --no-deps -w dist .
	.venv/smoke/bin/pip install -q dist/*.whl
	.venv/smoke/bin/python -W error tests/smoke.py

# Takes away all that was built.
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
	VIRTUAL_ENV=$(CURDIR)/.venv/dev $(DEV_BIN)/maturin develop -q --locked --profile dev --extras mine,torch,test,lint,docs
	@rm -f .venv/dev/.bench-stamp; touch $@

.venv/dev/.fuzz: .venv/dev/.stamp
	$(DEV_BIN)/pip install -q 'atheris>=3'
	@touch $@

.venv/dev/.bench-stamp: .venv/dev/.tools $(SOURCES)
	VIRTUAL_ENV=$(CURDIR)/.venv/dev $(DEV_BIN)/maturin develop -q --locked --release --extras mine,torch,test,bench
	@rm -f .venv/dev/.stamp; touch $@

include release/release.mk
