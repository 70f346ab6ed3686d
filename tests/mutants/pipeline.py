"""Planted faults: the pipeline and the command line."""

from tests.mutants.table import Mutant

MUTANTS = [
    Mutant(
        "mine-positives-retrieved",
        "python/hardmine/pipeline/scorers.py",
        "    if exclude_positives:",
        "    if not exclude_positives:",
        "tests/test_mine.py",
    ),
    Mutant(
        "cli-first-rule-alone",
        "python/hardmine/cli/mine.py",
        "        ceiling = ceiling & other\n",
        "        pass\n",
        "tests/test_cli.py -k retrieve_then_select",
    ),
    Mutant(
        "mine-run-of-another-collection",
        "python/hardmine/pipeline/mined.py",
        "        collection._refuse_foreign(run)\n",
        "",
        "tests/test_mine.py -k another_collection",
    ),
    Mutant(
        "mine-epoch-noticed-at-the-end",
        "python/hardmine/pipeline/mine.py",
        '    epoch = checks.integer("epoch", epoch)\n',
        "",
        "tests/test_mine.py -k before_the_teacher",
    ),
    Mutant(
        "sweep-hidden-not-among-the-candidates",
        "python/hardmine/pipeline/sweeps/trials.py",
        "    is_in = places < lists.offsets[rows + 1]\n",
        "    is_in = np.zeros(rows.size, dtype=np.bool_)\n",
        "tests/test_sweep.py -k slow_twin",
    ),
    Mutant(
        "sweep-label-after-its-ties",
        "python/hardmine/pipeline/sweeps/trials.py",
        "(found == scores) & (lists.ids[middle] < ids)",
        "(found == scores)",
        "tests/test_sweep.py -k slow_twin",
    ),
    Mutant(
        "sweep-texts-of-labels-stay",
        "python/hardmine/pipeline/sweeps/trials.py",
        "    stays = ~among(lists.row_of_each * num_groups + groups[lists.ids], taken)\n",
        "    stays = np.ones(lists.ids.size, dtype=np.bool_)\n",
        "tests/test_sweep.py -k made_elsewhere",
    ),
    Mutant(
        "sweep-weights-forgotten",
        "python/hardmine/pipeline/sweeps/trials.py",
        "np.minimum(sizes, trials_per_query) * sizes",
        "np.minimum(sizes, trials_per_query)",
        "tests/test_sweep.py -k weigh_what",
    ),
    Mutant(
        "sweep-anchors-of-all-labels",
        "python/hardmine/pipeline/sweeps/estimate.py",
        "anchor_scores(trials.candidates, trials.positives, embeddings",
        "anchor_scores(trials.candidates, positives.take(trials.queries), embeddings",
        "tests/test_sweep.py -k anchored_is",
    ),
    Mutant(
        "sweep-texts-looked-at-once",
        "python/hardmine/pipeline/sweep.py",
        "                if left_out and not _removes(negatives, run):\n",
        "                if left_out:\n",
        "tests/test_sweep.py -k made_elsewhere",
    ),
    Mutant(
        "sweep-undecided-counted-below",
        "python/hardmine/pipeline/sweeps/measures.py",
        "(lengths >= depth(run)) & (last >= bar)",
        "(lengths > depth(run)) & (last >= bar)",
        "tests/test_sweep.py -k measures",
    ),
    Mutant(
        "sweep-recommends-by-the-estimate-alone",
        "python/hardmine/pipeline/sweeps/advice.py",
        'if row["false_negative_high"] <= max_false_negatives]',
        'if row["false_negative_rate"] <= max_false_negatives]',
        "tests/test_sweep.py -k hardest_of",
    ),
    Mutant(
        "sweep-html-unescaped",
        "python/hardmine/report/sweep.py",
        "        cells = [escape(cell) for cell in",
        "        cells = [cell for cell in",
        "tests/test_sweep.py -k notebook",
    ),
]
