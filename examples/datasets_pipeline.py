"""From a Hugging Face dataset to the dataset that a trainer takes, without a file in between.

    pip install 'hardmine[mine,datasets]'
    python examples/datasets_pipeline.py                    # a dataset made here, of the docstrings of your Python
    python examples/datasets_pipeline.py --dataset FOLDER   # what Dataset.save_to_disk wrote: anchor, positive, module

Columns besides the pairs go into the collection and come back by the text of the anchor: here to put an instruction
before every query, once the negatives are there.
"""

from __future__ import annotations

import argparse
import sysconfig
from pathlib import Path

try:
    import datasets
except ModuleNotFoundError as error:
    raise SystemExit(f"no module {error.name}: pip install 'hardmine[mine,datasets]'") from None

import hardmine as hm


def pairs_of(package: str) -> datasets.Dataset:
    """What functions of the standard library say they do, their source, and the module they are in."""
    source = hm.Collection.read(Path(sysconfig.get_path("stdlib")) / package, "docstrings")
    return datasets.Dataset.from_dict(
        {
            "anchor": source.query_texts.to_pylist(),
            "positive": source.document_texts.to_pylist(),
            "module": [name.split(".")[0] for name in source.query_ids],
        }
    )


def main(arguments: list[str] | None = None) -> datasets.Dataset:
    """Entry point; returns what a trainer takes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--dataset", type=Path, help="a folder of save_to_disk (default: docstrings of the package email)"
    )
    parser.add_argument("--num-negatives", type=int, default=2)
    options = parser.parse_args(arguments)

    pairs = pairs_of("email") if options.dataset is None else options.dataset
    collection = hm.Collection.from_dataset(pairs, keep_columns=["module"])
    rule = hm.strategies.top_k_perc_pos(options.num_negatives, 0.95)
    mined = hm.mine(collection, "bm25", rule, k=50, progress=False)
    rows = mined.to_dataset("sentence-transformers:n-tuple")
    wanted = f"{options.num_negatives} negatives below 95 % of the positive"
    print(f"{len(rows):,} of {mined.positives.ids.size:,} pairs have {wanted}; the others are left out")

    modules = dict(zip(collection.query_texts.to_pylist(), collection.queries["module"].to_pylist(), strict=True))
    rows = rows.map(lambda row: {"anchor": f"Find the function of {modules[row['anchor']]}: {row['anchor']}"})

    # SentenceTransformerTrainer(model, train_dataset=rows, loss=...): columns are a query, its positive, its negatives.
    print(rows)
    print(rows[0]["anchor"])
    return rows


if __name__ == "__main__":
    main()
