"""Training rows from the hits of a search engine: tantivy (words) or Qdrant (vectors), both inside this process.

    pip install 'hardmine[mine]' tantivy qdrant-client
    python examples/from_search_engine.py                       # docstrings of your Python: no server, no model
    python examples/from_search_engine.py --engine qdrant --collection FOLDER --output rows.jsonl

Any engine serves that gives (query, document, score). Ask it for more hits than you want negatives, and for the score
of every positive, wherever it ranks: most rules compare the two. Where an engine cannot tell, take a rule that needs no
score of a positive, such as hm.Absolute(0.7).
"""

from __future__ import annotations

import argparse
import re
import sysconfig
import tempfile
import zlib
from pathlib import Path

import numpy as np

import hardmine as hm


def words(text: str) -> list[str]:
    """Lower-case words: none of them, and no sign between them, means anything in a query language."""
    return re.findall(r"[^\W_]+", text.lower())


def from_tantivy(collection: hm.Collection, k: int) -> hm.Candidates:
    """BM25, by way of a run file as trec_eval takes it."""
    from tantivy import Document, Index, Occur, Query, SchemaBuilder

    schema = SchemaBuilder().add_text_field("id", stored=True, tokenizer_name="raw").add_text_field("text").build()
    index = Index(schema)
    writer = index.writer(num_threads=1)
    names = list(collection.document_ids)
    for name, text in zip(names, collection.document_texts.to_pylist(), strict=True):
        writer.add_document(Document(id=name, text=" ".join(words(text))))
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    searcher = index.searcher()

    def search(query: Query, limit: int) -> dict[str, float]:
        return {searcher.doc(place)["id"][0]: score for score, place in searcher.search(query, limit).hits}

    lines = []
    for row, text in enumerate(collection.query_texts.to_pylist()):
        query = index.parse_query(" ".join(words(text)), ["text"])
        positives = [names[number] for number in collection.positives[row]]
        # The same query among the positives alone. One that shares no word with it is no hit: its BM25 is 0.
        among = Query.const_score_query(Query.term_set_query(schema, "id", positives), 0)
        own = search(Query.boolean_query([(Occur.Must, query), (Occur.Must, among)]), len(positives))
        hits = search(query, k) | dict.fromkeys(positives, 0.0) | own
        lines += [f"{collection.query_ids[row]} Q0 {name} 0 {score} tantivy\n" for name, score in hits.items()]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hits.trec"
        path.write_text("".join(lines), encoding="utf-8")
        return hm.Candidates.read(path, collection=collection)  # best first: ranks and order of the file do not count


def hashed(texts: list[str], width: int = 512) -> np.ndarray:
    """Counts of hashed words, in the place of your embedding model."""
    vectors = np.zeros((len(texts), width), np.float32)
    for vector, text in zip(vectors, texts, strict=True):
        np.add.at(vector, [zlib.crc32(word.encode()) % width for word in words(text)], 1)
    return np.log1p(vectors)


def from_qdrant(collection: hm.Collection, k: int) -> hm.Candidates:
    """Cosines of vectors, by way of arrays: the id of a point is the number of its document.

    Many thousand documents are the business of a server: QdrantClient(url=...), and all else stays as it is.
    """
    from qdrant_client import QdrantClient, models

    documents = hashed(collection.document_texts.to_pylist())
    client = QdrantClient(":memory:")
    cosine = models.VectorParams(size=documents.shape[1], distance=models.Distance.COSINE)
    client.create_collection("documents", vectors_config=cosine)
    client.upload_collection("documents", vectors=documents, ids=range(len(documents)), wait=True)

    def search(vector: np.ndarray, limit: int, among: models.Filter | None = None) -> dict[int, float]:
        found = client.query_points("documents", vector, limit=limit, query_filter=among, with_payload=False)
        return {point.id: point.score for point in found.points}

    ids, scores = np.full((collection.num_queries, k), -1), np.zeros((collection.num_queries, k), np.float32)
    of_positives = []
    for row, vector in enumerate(hashed(collection.query_texts.to_pylist())):
        hits = search(vector, k)
        ids[row, : len(hits)], scores[row, : len(hits)] = list(hits), list(hits.values())
        positives = collection.positives[row].tolist()
        own = search(vector, len(positives), models.Filter(must=[models.HasIdCondition(has_id=positives)]))
        of_positives += [own[number] for number in positives]
    client.close()
    names = {"query_ids": collection.query_ids, "document_ids": collection.document_ids}
    labels = collection.positives.with_scores(of_positives)
    return hm.Candidates.from_padded(ids, scores, positives=labels, metadata={"teacher": "qdrant", "k": k}, **names)


ENGINES = {"tantivy": from_tantivy, "qdrant": from_qdrant}


def main(arguments: list[str] | None = None) -> hm.Mined:
    """Entry point; returns what was mined."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", choices=ENGINES, default="tantivy")
    parser.add_argument("--collection", type=Path, help="a BEIR folder (default: docstrings of the package email)")
    parser.add_argument("--output", type=Path, default=Path("rows.jsonl"))
    options = parser.parse_args(arguments)

    if options.collection is None:
        collection = hm.Collection.read(Path(sysconfig.get_path("stdlib")) / "email", "docstrings")
    else:
        collection = hm.Collection.read(options.collection)
    try:
        run = ENGINES[options.engine](collection, k=50)
    except ModuleNotFoundError as error:
        parser.exit(1, f"{error.name} is not installed: pip install tantivy qdrant-client\n")

    # 3 negatives of each query: its best hits, but none above 95 % of the positive's score.
    mined = hm.Mined.from_run(collection, run, hm.strategies.top_k_perc_pos(3, 0.95))
    written = mined.write(options.output, "sentence-transformers:triplet")
    removed, short = mined.report["reasons"]["above_ceiling"], mined.negatives.num_short
    print(f"{options.engine}: {run.ids.size:,} candidates for {len(run):,} queries")
    print(f"{removed:,} candidates too good for a negative, {short:,} queries with fewer than 3 negatives")
    print(f"{written['rows']:,} rows in {options.output}")
    return mined


if __name__ == "__main__":
    main()
