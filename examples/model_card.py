"""What came of fine-tuning as a table, and the model in a folder with a card that says how its negatives were mined."""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import hardmine as hm
from examples.clean_split import Split
from hardmine.rules.spelling import spell

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

ARMS = BEFORE, IN_BATCH, NAIVE, OURS = "before", "in-batch only", "naive top k", "hardmine"


@dataclass(frozen=True)
class Comparison:
    """What was asked, what was mined for the arms that mine, and what every arm reached."""

    options: argparse.Namespace
    split: Split
    mined: dict[str, hm.Mined]
    why: str = "as given"
    """Why hardmine's arm has its rule."""
    figures: dict[str, list[dict[str, float]]] = field(default_factory=lambda: {name: [] for name in ARMS})
    """Metrics of every arm, one mapping a seed."""

    def false_share(self, name: str) -> float | None:
        """Share of an arm's negatives that are positives whose labels were hidden; None where there are none such."""
        if self.options.labels is None or name not in self.mined:
            return None
        found, labels, count = self.mined[name].negatives, self.split.train.positives, self.split.train.num_documents
        pairs = np.repeat(np.arange(len(found)), np.diff(found.offsets)) * count + found.ids
        return float(np.isin(pairs, labels.query_of_each * count + labels.ids).mean())

    def table(self) -> str:
        """All arms in Markdown: means over seeds, and by how much hardmine's arm is above each."""
        metrics = list(self.figures[BEFORE][0])
        headings = ["", *metrics, f"{OURS} minus this, {metrics[0]}"]
        headings += [] if self.options.labels is None else ["false negatives"]
        lines = [f"| {' | '.join(headings)} |", "|" + "---|" * len(headings)]
        for name, found in self.figures.items():
            cells = [name, *(f"{np.mean([each[metric] for each in found]):.4f}" for metric in metrics)]
            cells.append("" if name == OURS else self._above(name, metrics[0]))
            if self.options.labels is not None:
                share = self.false_share(name)
                cells.append("" if share is None else f"{share:.1%}")
            lines.append(f"| {' | '.join(cells)} |")
        return "\n".join(lines)

    def _above(self, name: str, metric: str) -> str:
        """Difference of hardmine's arm, with its range where there are several seeds."""
        over = np.array([a[metric] - b[metric] for a, b in zip(self.figures[OURS], self.figures[name], strict=True)])
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
- **Rule:** {spell(rule.ceiling)}, {self.why}; of several positives the {rule.positive_agg} score counts
- **Draw:** {spell(rule.draw)}, {rule.num_negatives} for each pair; random documents where the rule leaves too few
- **Seed:** {rule.seed}

```
{mined.summary()}
```

## What came of it

Student: {options.student}, {length}, batches of {options.batch_size}, learning rate {options.learning_rate:g}, \
{options.max_length} tokens. All arms train on the same pairs in the same batches; {NAIVE} takes the teacher's first \
{rule.num_negatives}, the same in every epoch. This model is of the arm {OURS}, seed {rule.seed}. Figures: {seeds}.

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
