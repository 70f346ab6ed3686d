"""What came of fine-tuning as a table, and the model in a folder with a card that says how its negatives were mined."""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

import hardmine as hm
from examples.clean_split import Split

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from examples.teacher_scores import Taught


class Arm(NamedTuple):
    """What is trained: on whose negatives, if any, and whether with the teacher's scores in the loss."""

    negatives: str | None = None
    scores: bool = False
    trains: bool = True


BEFORE, IN_BATCH, RANDOM, NAIVE, OURS = "before", "in-batch only", "random", "naive top k", "hardmine"
IN_BATCH_SCORES, RANDOM_SCORES, OURS_SCORES = "in-batch + scores", "random + scores", "hardmine + scores"
ARMS = {
    BEFORE: Arm(trains=False),
    IN_BATCH: Arm(),
    RANDOM: Arm(RANDOM),
    NAIVE: Arm(NAIVE),
    OURS: Arm(OURS),
    IN_BATCH_SCORES: Arm(scores=True),
    RANDOM_SCORES: Arm(RANDOM, scores=True),
    OURS_SCORES: Arm(OURS, scores=True),
}


@dataclass(frozen=True)
class Comparison:
    """What was asked, what was mined for the arms that mine, and what every arm reached."""

    options: argparse.Namespace
    split: Split
    mined: dict[str, hm.Mined]
    taught: Taught | None = None
    """What the teacher says, where its scores are in the loss of some arms."""
    why: str = "as given"
    """Why hardmine's arms have their rule."""
    figures: dict[str, list[dict[str, float]]] = field(default_factory=lambda: {name: [] for name in ARMS})
    """Metrics of every arm, one mapping a seed."""

    @property
    def arms(self) -> list[str]:
        """Those that are compared, in the order of the table."""
        return [name for name, arm in ARMS.items() if self.taught is not None or not arm.scores]

    @property
    def saved(self) -> str:
        """The arm whose model is saved, and with which the others are compared."""
        return self.arms[-1]

    def false_share(self, name: str) -> float | None:
        """Share of an arm's negatives that are positives whose labels were hidden; None where there are none such."""
        mined = self.mined.get(ARMS[name].negatives or "")
        if self.options.labels is None or mined is None:
            return None
        found, labels, count = mined.negatives, self.split.train.positives, self.split.train.num_documents
        pairs = np.repeat(np.arange(len(found)), np.diff(found.offsets)) * count + found.ids
        return float(np.isin(pairs, labels.query_of_each * count + labels.ids).mean())

    def table(self) -> str:
        """All arms in Markdown: means over seeds, and by how much the arm that is saved is above each."""
        metrics = list(self.figures[BEFORE][0])
        headings = ["", *metrics, f"{self.saved} minus this, {metrics[0]}"]
        headings += [] if self.options.labels is None else ["false negatives"]
        lines = [f"| {' | '.join(headings)} |", "|" + "---|" * len(headings)]
        for name in self.arms:
            found = self.figures[name]
            cells = [name, *(f"{np.mean([each[metric] for each in found]):.4f}" for metric in metrics)]
            cells.append("" if name == self.saved else self._above(name, metrics[0]))
            if self.options.labels is not None:
                share = self.false_share(name)
                cells.append("" if share is None else f"{share:.1%}")
            lines.append(f"| {' | '.join(cells)} |")
        return "\n".join(lines)

    def _above(self, name: str, metric: str) -> str:
        """Difference of the arm that is saved, with its range where there are several seeds."""
        pairs = zip(self.figures[self.saved], self.figures[name], strict=True)
        over = np.array([a[metric] - b[metric] for a, b in pairs])
        return f"{over.mean():+.4f}" + (f" ({over.min():+.4f} to {over.max():+.4f})" if over.size > 1 else "")

    def section(self) -> str:
        """What the card says of the negatives and of what came of them."""
        options, mined, test = self.options, self.mined[OURS], self.split.test
        rule = hm.Selection.from_dict(dict(mined.report["selection"]))
        texts = "docstrings of the standard library" if options.collection is None else options.collection.name
        known = "all" if options.labels is None else f"at most {options.labels} of each query, drawn by chance"
        depth = min(options.depth, self.split.train.num_documents)
        tuned = "the rule alone" if self.why.startswith("recommended") else "nothing"
        read = "all tokens" if options.teacher == "bm25" else f"{options.max_length} tokens"
        seeds = "one seed" if len(options.seeds) == 1 else f"means over seeds {', '.join(map(str, options.seeds))}"
        length = f"{options.steps} steps" if options.epochs is None else f"{options.epochs} epochs"
        loss = "InfoNCE over the documents of the batch, temperature 0.05"
        if self.taught is not None:
            loss += f"; arms + scores add {options.scores:g} times the divergence from the teacher's scores of them"
        notes = "" if len(options.seeds) == 1 else " In brackets: lowest and highest difference over the seeds."
        if options.labels is not None:
            notes += " False negatives: share of the first epoch's negatives that are positives whose label was hidden."
        return f"""## How the negatives were mined

By hardmine {hm.__version__}, drawn afresh in every epoch.

- **Texts:** {options.dataset or texts}
- **Split:** {self.split}
- **Known positives:** {known}
- **Teacher:** {mined.report["teacher"]}, which read {read} of a text
- **Depth:** the {depth} best documents of each query
- **Rule:** {hm.spell(rule.ceiling)}, {self.why}; of several positives the {rule.positive_agg} score counts
- **Draw:** {hm.spell(rule.draw)}, {rule.num_negatives} for each pair; random documents where the rule leaves too few
- **Seed:** {rule.seed}

```
{mined.summary()}
```

## What came of it

Student: {options.student}, {length}, batches of {options.batch_size}, learning rate {options.learning_rate:g}, \
{options.max_length} tokens. Loss: {loss}. All arms train on the same pairs in the same batches; {NAIVE} takes the \
teacher's first {rule.num_negatives}, the same in every epoch, {RANDOM} as many documents drawn afresh from \
all but the labelled positives. This model is of the arm {self.saved}, seed {rule.seed}. Figures: {seeds}.

{self.table()}

Test: {test.num_queries:,} queries over {test.num_documents:,} documents, judged by sentence-transformers' \
InformationRetrievalEvaluator.{notes} Seeds vary start, batches and draws, not the queries: how much they differ says \
nothing about other queries. What was tuned, on what trains: {tuned}.
"""


def refuse_taken(folder: Path) -> None:
    """Raise where the folder is there already."""
    if folder.exists():
        raise FileExistsError(f"{folder}: is there already, expected a new folder (--output)")
    nearest = next(each for each in folder.absolute().parents if each.exists())
    if not nearest.is_dir():
        raise NotADirectoryError(f"{nearest}: is no folder, expected one (--output {folder})")


def save(model: SentenceTransformer, found: Comparison) -> None:
    """Write beside the folder first: it appears with all that belongs in it, or, after Ctrl-C, not at all."""
    folder = found.options.output
    refuse_taken(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as beside:
        part = Path(beside) / folder.name
        model.save_pretrained(str(part))
        card = part / "README.md"
        card.write_text(extended(card.read_text(encoding="utf-8"), found.section()), encoding="utf-8")
        part.rename(folder)


def extended(card: str, section: str) -> str:
    """The card that sentence-transformers wrote, with our section before its first."""
    at = card.find("\n## ")
    return f"{card}\n{section}" if at < 0 else f"{card[:at]}\n{section}{card[at:]}"
