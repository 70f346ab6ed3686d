"""Planted faults: file formats."""

from tests.mutants.table import Mutant

MUTANTS = [
    Mutant(
        "formats-option-of-another-ignored",
        "python/hardmine/formats/access.py",
        "if value is not None and option not in found.takes:",
        "if False:",
        "tests/test_formats.py tests/test_collection.py",
    ),
    Mutant(
        "formats-any-folder-first",
        "python/hardmine/formats/registry.py",
        'if (path / sign[1:]).exists() if is_folder and sign[0] == "/"',
        'if True if is_folder and sign[0] == "/"',
        "tests/test_formats.py",
    ),
    Mutant(
        "formats-n-tuple-one-short",
        "python/hardmine/formats/sentence_transformers.py",
        '{"triplet": 1, "n-tuple": wanted or 0}',
        '{"triplet": 1, "n-tuple": (wanted or 1) - 1}',
        "tests/test_formats.py",
    ),
    Mutant(
        "formats-negatives-after-the-first-positive",
        "python/hardmine/formats/mined_pairs.py",
        "self.is_last = within == counts[self.row] - 1",
        "self.is_last = within == 0",
        "tests/test_formats.py",
    ),
    Mutant(
        "formats-output-row-counts-dropped-pairs",
        "python/hardmine/formats/sentence_transformers.py",
        "counts = np.where(kept, self._rows_of_pairs(pairs), 0)",
        "counts = self._rows_of_pairs(pairs)",
        "tests/test_formats.py",
    ),
    Mutant(
        "formats-provenance-starts-over",
        "python/hardmine/formats/provenance.py",
        "        done += len(some)\n",
        "",
        "tests/test_formats.py",
    ),
    Mutant(
        "formats-docstring-left-in-its-document",
        "python/hardmine/formats/docstrings.py",
        "lines[place.end_lineno : node.end_lineno]",
        "lines[place.lineno - 1 : node.end_lineno]",
        "tests/test_formats.py -k docstrings",
    ),
    Mutant(
        "formats-repeated-sources-kept",
        "python/hardmine/formats/docstrings.py",
        "if not keys & seen and",
        "if",
        "tests/test_formats.py -k docstrings",
    ),
    Mutant(
        "files-names-change-before-all-is-written",
        "python/hardmine/plumbing/files.py",
        "            file.flush()\n            os.fsync(file.fileno())\n            file.close()\n",
        "            pass\n",
        "tests/test_files.py -k full_disk",
    ),
    Mutant(
        "files-a-failed-change-of-names-stays",
        "python/hardmine/plumbing/files.py",
        "            if _is_there(kept):\n                kept.replace(target)\n",
        "            pass\n",
        "tests/test_files.py",
    ),
    Mutant(
        "formats-ids-of-judgements-stripped",
        "python/hardmine/formats/beir.py",
        "        query, document = cells[:2]",
        "        query, document = cells[0].strip(), cells[1].strip()",
        "tests/test_readers.py",
    ),
    Mutant(
        "formats-every-column-read",
        "python/hardmine/formats/rows.py",
        "names = [name for name in found if is_read(name)]",
        "names = list(found)",
        "tests/test_readers.py",
    ),
    Mutant(
        "formats-infinities-into-json",
        "python/hardmine/formats/layouts.py",
        "unspeakable = ~np.isfinite(numbers)",
        "unspeakable = np.zeros(numbers.size, bool)",
        "tests/test_formats.py -k infinite",
    ),
]
