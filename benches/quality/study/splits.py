"""What of a test part was trained on, as `hardmine audit --against` sees it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import hardmine as hm
from examples.recipes.worlds import Part

LEAKS = ("leaked_query", "leaked_positive")


def leaks(train: Part, test: Part) -> dict[str, int]:
    """How many queries of the test part are queries that train, and how many of its answers are answers that do."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "train.jsonl")
        with path.open("w") as file:
            for query, document in zip(train.labels.query_of_each, train.labels.ids, strict=True):
                answer = {"docid": str(document), "title": "", "text": train.documents.texts[document]}
                row = {"query_id": str(query), "query": train.queries.texts[query], "positive_passages": [answer]}
                file.write(json.dumps({**row, "negative_passages": []}) + "\n")
        found = {each["check"]: each for each in hm.audit(path, format="tevatron", against=test.collection).findings}
    counts = ("evaluation_queries_found", "evaluation_positives_found")
    return {
        check: found[check]["details"][count] if check in found else 0
        for check, count in zip(LEAKS, counts, strict=True)
    }
