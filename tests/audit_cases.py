"""Rows for the tests of audits: clean ones, and a file with a defect on each of many lines."""

import json

import numpy as np

from tests.texts import write_jsonl

WORDS = [f"{a}{b}{c}" for a in "bdfgk" for b in "aeiou" for c in ("lor", "mun", "rip", "sat", "vex")]


def sentence(number, words=9):
    """A text that no other has."""
    rng = np.random.default_rng(number)
    return " ".join([*rng.choice(WORDS, words), f"n{number}"])


def row(number):
    """A row of Tevatron's without a defect: one positive and four negatives, scored, best first."""

    def passage(place, score):
        name = 10 * number + place
        return {"docid": f"d{name}", "title": "", "text": sentence(name), "score": score}

    return {
        "query_id": f"q{number}",
        "query": sentence(-number - 1 + 10**6, 5),
        "positive_passages": [passage(0, 0.9)],
        "negative_passages": [passage(place, 0.9 - place / 10) for place in range(1, 5)],
    }


def pos(row, **fields):
    row["positive_passages"][0] |= fields


def neg(row, place, **fields):
    row["negative_passages"][place] |= fields


def text_of(row):
    return row["positive_passages"][0]["text"]


LEAKED = ["which question was asked before?", "was this one asked TOO?", "how did the answer get out?"]
ANSWERS = ["an answer that training must not see", "another one of those answers", "the third of these answers"]
LONG = " ".join(sentence(number) for number in range(900, 960))


def near_of(text):
    """The text with another last word: most of its shingles stay, if it is long."""
    return " ".join([*text.split()[:-1], "another"])


def _near(row):
    pos(row, text=" ".join(sentence(5000 + part) for part in range(4)))
    neg(row, 0, text=near_of(text_of(row)))


def _other_positive(row, before):
    row |= {"query": before["query"], "query_id": before["query_id"]}
    neg(row, 1, text=text_of(before), docid=before["positive_passages"][0]["docid"])


def _same_negative(row, **fields):
    neg(row, 2, **(row["negative_passages"][1] | {"score": row["negative_passages"][2]["score"]} | fields))


def _letters(row):
    for place, letter in enumerate("abcd"):
        neg(row, place, text=letter)


def _swap(row):
    negatives = row["negative_passages"]
    negatives[2], negatives[3] = negatives[3], negatives[2]


def _drop(key):
    return lambda row: row.pop(key)


def _put(**fields):
    return lambda row: row.update(fields)


DEFECTS = [
    ("string_for_list", _put(positive_passages="the letters of a text")),
    ("string_for_list", _put(negative_passages="the letters of a text")),
    ("null_value", lambda row: pos(row, text=None)),
    ("null_value", _put(query=None)),
    ("missing_field", _drop("query")),
    ("missing_field", lambda row: row["negative_passages"][0].pop("text")),
    ("score_not_a_number", lambda row: neg(row, 0, score="high")),
    ("score_not_a_number", lambda row: pos(row, score=True)),
    ("broken_encoding", lambda row: neg(row, 0, text="half a \ud800 pair")),
    ("broken_encoding", b'{"query": "caf\xe9"}'),
    ("broken_json", b'{"query": "cut o'),
    ("broken_json", b'["a", "list"]'),
    ("unreadable_row", _put(query=5)),
    ("no_positive", _put(positive_passages=[])),
    ("no_negative", _put(negative_passages=[])),
    ("positive_in_negatives_id", lambda row: neg(row, 0, **row["positive_passages"][0])),
    ("positive_in_negatives_text", lambda row: neg(row, 3, text=text_of(row))),
    ("positive_in_negatives_normalised", lambda row: neg(row, 3, text=f"  {text_of(row).upper()}")),
    ("positive_in_negatives_near", _near),
    ("other_positive_in_negatives", _other_positive),
    ("duplicate_negative_id", lambda row: _same_negative(row)),
    ("duplicate_negative_text", lambda row: _same_negative(row, docid="another")),
    ("duplicate_negative_normalised",
     lambda row: _same_negative(row, docid="third", text=row["negative_passages"][1]["text"].replace(" ", "\u2003"))),
    ("duplicate_positive", lambda row: row["positive_passages"].append(dict(row["positive_passages"][0]))),
    ("query_in_negatives", lambda row: neg(row, 2, text=row["query"].title())),
    ("query_in_positives", lambda row: pos(row, text=row["query"])),
    ("unequal_negatives", lambda row: row["negative_passages"].pop()),
    ("duplicate_row", lambda row, before: row.update(json.loads(json.dumps(before)))),
    ("query_id_with_two_texts", lambda row, before: row.update(query_id=before["query_id"])),
    ("query_text_with_two_ids", lambda row, before: row.update(query=before["query"])),
    ("document_id_with_two_texts", lambda row, before: neg(row, 0, docid=before["negative_passages"][0]["docid"])),
    ("missing_id", lambda row: row["positive_passages"][0].pop("docid")),
    ("empty_id", lambda row: neg(row, 1, docid="")),
    ("score_not_finite", lambda row: neg(row, 1, score=float("nan"))),
    ("score_not_finite", lambda row: neg(row, 3, score=-float("inf"))),
    ("missing_score", lambda row: neg(row, 3, score=None)),
    ("negative_above_positive", lambda row: neg(row, 0, score=0.95)),
    ("score_order", _swap),
    ("empty_query", _put(query=" \t")),
    ("empty_positive", lambda row: pos(row, text="")),
    ("empty_negative", lambda row: neg(row, 0, text="\u3000")),
    ("text_in_characters", _letters),
    ("one_character_text", lambda row: neg(row, 0, text="x")),
    ("one_character_text", lambda row: pos(row, text=" ? ")),
    ("length_outlier", lambda row: neg(row, 0, text=LONG * 3)),
    ("mojibake", lambda row: neg(row, 0, text="a cafÃ© in the old town of the city")),
    ("mojibake", lambda row: pos(row, text="what the worldâ€™s largest cats eat at night")),
    ("replacement_character", _put(query="who lost this \ufffd letter?")),
    ("control_character", lambda row: neg(row, 0, text="nothing \x00 stands between these words")),
    ("control_character", lambda row: neg(row, 0, text="something \x85 stands between these words")),
    ("leaked_query", _put(query=LEAKED[0])),
    ("leaked_query", _put(query=LEAKED[1].lower())),
    ("leaked_positive", lambda row: pos(row, text=ANSWERS[0])),
    ("evaluation_positive_in_negatives", lambda row: neg(row, 0, text=ANSWERS[1])),
]  # fmt: skip
"""Checks, and what a row must suffer for each; bytes take the place of its line."""

HUBS = 30
"""Rows at the end whose last negative is one document."""


def planted(path):
    """Write a file with every defect on a line of its own, clean rows between; the lines of each check."""
    lines, wanted, number = [], {}, 0

    def put(content):
        lines.append(content if isinstance(content, bytes) else json.dumps(content).encode())

    for check, defect in DEFECTS:
        before = row(number)
        put(before)
        wrong = row(number + 1)
        number += 2
        if isinstance(defect, bytes):
            wrong = defect
        elif defect.__code__.co_argcount == 2:
            defect(wrong, before)
        else:
            defect(wrong)
        put(wrong)
        wanted.setdefault(check, []).append(len(lines))
        if number % 10 == 0:
            lines.append(b"")  # blank lines count as lines, not as rows
    wanted["hub_negative"] = [len(lines) + 1]
    for _ in range(HUBS):
        last = row(number)
        number += 1
        neg(last, 3, docid="hub", text="the document that everybody gets")
        put(last)
    path.write_bytes(b"\n".join(lines) + b"\n")
    return wanted


FLAG = {
    "query": "what is it?",
    "pos": ["this is what it is"],
    "neg": ["nothing of the kind", "a thing of another kind"],
}


def flag_file(path, *rows):
    return write_jsonl(path, [FLAG | row for row in rows])
