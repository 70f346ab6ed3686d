"""Negatives of a dense and a sparse teacher together: as an ensemble of both, and out of their fused candidates.

    pip install 'hardmine[mine,torch]'
    python examples/dense_and_sparse.py --collection FOLDER --dense ENCODER --sparse MASKED-LANGUAGE-MODEL

Scores of two teachers do not compare, and a fused score has no positive to be measured against. So each teacher mines
under its own ceiling, inside its search, and what is merged has passed the ceiling of the teacher it comes from.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import hardmine as hm


def main(arguments: list[str] | None = None) -> dict[str, hm.Mined | hm.Negatives]:
    """Entry point; returns the ensemble, and what was mined from the fused candidates."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--collection", type=Path, required=True, help="a BEIR folder, a file of pairs, ...")
    parser.add_argument("--dense", required=True, help="folder or name of an encoder, such as intfloat/e5-base-v2")
    parser.add_argument("--sparse", required=True, help="folder or name of a SPLADE, such as naver/splade-v3")
    parser.add_argument("--num-negatives", type=int, default=4)
    parser.add_argument("--cache", type=Path, help="keeps embeddings and sparse rows")
    parser.add_argument("--output", type=Path, help="rows of the fused candidates, as jsonl")
    options = parser.parse_args(arguments)

    collection = hm.Collection.read(options.collection)
    teachers = [
        hm.teachers.load(options.dense),
        hm.teachers.sparse(options.sparse, max_query_terms=64, max_document_terms=256),
    ]
    rule = hm.Selection(options.num_negatives, ceiling=hm.PercPos(0.95))
    mined = [hm.mine(collection, teacher, rule, k=50, cache=options.cache, progress=False) for teacher in teachers]
    first, second = (each.candidates for each in mined)
    both = sum(len(set(first[query].ids) & set(second[query].ids)) for query in range(len(first)))
    print(f"candidates: dense {first.ids.size:,}, sparse {second.ids.size:,}, in both lists {both:,}")

    # Each teacher in turn gives its next negative.
    ensemble = hm.ensemble(
        [each.negatives for each in mined], scheme="intra_sample", num_negatives=options.num_negatives
    )
    print(
        f"ensemble: {(ensemble.sources == 0).sum():,} negatives of dense, {(ensemble.sources == 1).sum():,} of sparse"
    )

    # Or one list by reciprocal ranks, and the first of it.
    fused = hm.fuse([first, second], method="rrf", k=50)
    together = hm.Mined.from_run(collection, fused, hm.Selection(options.num_negatives, ceiling=hm.NoCeiling()))
    print(f"fused: {together.negatives.ids.size:,} negatives")
    if options.output is not None:
        together.write(options.output)
    return {"ensemble": ensemble, "fused": together}


if __name__ == "__main__":
    main()
