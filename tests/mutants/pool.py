"""Planted faults: threads, levels, the door."""

from tests.mutants.table import Mutant

MUTANTS = [
    Mutant(
        "faults-pool-survives-fork",
        "rust/core/src/pool/workers.rs",
        "Some(pool) if pool.process == process => return pool,",
        "Some(pool) => return pool,",
        "tests/test_faults.py -k forked",
    ),
    Mutant(
        "faults-panic-of-another-type",
        "rust/python/src/door.rs",
        "Err(PyRuntimeError::new_err(format!(",
        "Err(PyValueError::new_err(format!(",
        "tests/test_faults.py -k panic",
    ),
    Mutant(
        "bad-giant-result-not-refused",
        "rust/core/src/error.rs",
        "    Vec::<T>::new().try_reserve_exact(len)",
        "    Vec::<T>::new().try_reserve_exact(len.min(1))",
        "tests/test_bad_input.py -k memory",
    ),
    Mutant(
        "isa-feature-undetected",
        "rust/core/src/isa/features.rs",
        '["avx2" "fma" "f16c" "bmi1" "bmi2" "popcnt"]',
        '["avx2" "fma" "f16c" "bmi1" "popcnt"]',
        "tests/test_isa_features.py",
    ),
    Mutant(
        "float-mode-of-the-caller-in-python",
        "python/hardmine/plumbing/float_mode.py",
        "return _native.in_default_mode(function, args, kwargs)",
        "return function(*args, **kwargs)",
        "tests/test_float_mode.py",
    ),
    Mutant(
        "float-mode-workers-as-they-were-born",
        "rust/core/src/pool/workers.rs",
        "Mode::DEFAULT.during(|| catch_unwind(AssertUnwindSafe(|| work(&mut turn))))",
        "catch_unwind(AssertUnwindSafe(|| work(&mut turn)))",
        "tests/test_float_mode.py",
    ),
    Mutant(
        "float-mode-of-the-caller",
        "rust/python/src/door.rs",
        "Mode::DEFAULT.during(|| work(&exec))",
        "work(&exec)",
        "tests/test_float_mode.py",
    ),
    Mutant(
        "float-mode-left-behind",
        "rust/core/src/float_mode.rs",
        "    fn drop(&mut self) {\n        imp::write(self.0);",
        "    fn drop(&mut self) {\n        let _ = self.0;",
        "tests/test_float_mode.py",
    ),
    Mutant(
        "threads-without-a-roof",
        "rust/core/src/pool/workers.rs",
        "wanted.min(SOME_WORKERS.max(available_threads().get()))",
        "wanted",
        "tests/test_threads.py -k roof",
    ),
    Mutant(
        "threads-refused-is-a-panic",
        "rust/core/src/pool/workers.rs",
        "if self.start(number).is_err() {",
        'if self.start(number).map_err(|_| panic!("refused")).is_err() {',
        "tests/test_threads.py -k refuses",
    ),
    Mutant(
        "threads-affinity-asked-once",
        "rust/core/src/pool/processors.rs",
        "if found >> 32 == u64::from(allowed_by_affinity()) {",
        "if true {",
        "tests/test_threads.py -k affinity",
    ),
    Mutant(
        "threads-poll-under-the-lock",
        "rust/core/src/pool/workers.rs",
        "                drop(state);\n                waiting();\n                state = self.pool.lock();",
        "                waiting();",
        "tests/test_threads.py -k handler",
    ),
    Mutant(
        "misaligned-made-a-slice",
        "rust/python/src/array.rs",
        "if array.data().is_aligned() {",
        "if true {",
        "tests/test_misaligned.py",
    ),
]
