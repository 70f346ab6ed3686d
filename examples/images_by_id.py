"""Negatives for images, by id: a collection without texts, and embeddings that were made elsewhere.

    pip install 'hardmine[mine]'
    python examples/images_by_id.py                                   # vectors made here, in the place of CLIP's
    python examples/images_by_id.py --scenes 500 --output rows.parquet

Captions are the queries, images the documents. Every scene was photographed several times, its first picture twice
within a second: the second shot answers the caption as well as the first, and nobody labelled it. A rule has to see
that.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import hardmine as hm

SHOTS = 8


def near(vectors: np.ndarray, distance: float, rng: np.random.Generator) -> np.ndarray:
    """Unit vectors, each at about this distance from one of the given ones."""
    noise = rng.standard_normal(vectors.shape) * distance / np.sqrt(vectors.shape[-1])
    return (vectors + noise) / np.linalg.norm(vectors + noise, axis=-1, keepdims=True)


def embed(scenes: int, width: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of a caption for each scene, and of its photographs, float32; take those of your model instead."""
    rng = np.random.default_rng(0)
    scene = near(np.zeros((scenes, 1, width)), 1.0, rng)
    photographs = near(np.repeat(scene, SHOTS, axis=1), 0.8, rng)
    photographs[:, 1] = near(photographs[:, 0], 0.1, rng)
    captions = near(photographs[:, 0], 0.7, rng)
    return captions.astype(np.float32), photographs.reshape(-1, width).astype(np.float32)


def main(arguments: list[str] | None = None) -> tuple[hm.Mined, list[dict[str, Any]]]:
    """Entry point; returns what was mined, and the rows as they were read back."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=100)
    parser.add_argument("--output", type=Path, default=Path("rows.jsonl"), help="a .jsonl or .parquet file")
    options = parser.parse_args(arguments)

    captions = [f"caption-{scene:04}" for scene in range(options.scenes)]
    images = [f"{scene:04}/{shot}.jpg" for scene in range(options.scenes) for shot in range(SHOTS)]
    collection = hm.Collection.from_ids(captions, images, images[::SHOTS])  # a caption's positive: the first shot

    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("captions.npy", "images.npy")]
        for path, vectors in zip(paths, embed(options.scenes), strict=True):
            np.save(path, vectors)
        teacher = hm.teachers.precomputed(*paths, name="clip")  # mapped: they may be larger than memory
        run = hm.retrieve(collection, teacher, k=50, progress=False)

    # The same run twice: the nearest images as they come, and those that are clearly worse than the labelled one.
    naive = hm.Mined.from_run(collection, run, hm.strategies.naive_top_k(4))
    mined = hm.Mined.from_run(collection, run, hm.strategies.top_k_perc_pos(4, 0.95))
    for name, found in (("nearest", naive), ("below 95 % of the positive", mined)):
        seconds = np.count_nonzero(found.negatives.ids % SHOTS == 1)
        print(f"{name}: {found.negatives.ids.size:,} negatives, {seconds:,} of them the second shot of some scene")

    mined.write(options.output, "ids", scores=True)
    rows = [row for chunk in hm.formats.read_rows(options.output, "ids") for row in chunk.to_pylist()]
    query, positives, negatives = (rows[0][name] for name in ("query_id", "positive_ids", "negative_ids"))
    print(f"{len(rows):,} rows in {options.output}, such as {query}: {positives[0]}, not {', '.join(negatives)}")
    return mined, rows


if __name__ == "__main__":
    main()
