"""Every check of an audit: its name, how grave a finding is, what it says, and the repair where there is one."""

from __future__ import annotations

from typing import NamedTuple

SEVERITIES = ("info", "warning", "error")
"""From the least grave to the gravest."""

DROP_NEGATIVE = "drop the negative"
DROP_POSITIVE = "drop the repeated positive"
DROP_ROW = "drop the row"


class Check(NamedTuple):
    """One check.

    Attributes
    ----------
    name : str
        Stable: for machines, and for whoever silences one.
    severity : {"info", "warning", "error"}
    what : str
        What a finding says, on one line.
    repair : str
        What ``fix`` does about it; empty where no single repair is safe.
    """

    name: str
    severity: str
    what: str
    repair: str = ""


_ALL = [
    # Rows that no reader of the format takes.
    Check("string_for_list", "error", "a string in place of a list: trainers take its letters for texts", DROP_ROW),
    Check("null_value", "error", "null in place of a text, an id or a list", DROP_ROW),
    Check("missing_field", "error", "a field that the format needs is missing", DROP_ROW),
    Check("score_length", "error", "a list of scores or labels has another length than its documents", DROP_ROW),
    Check("score_not_a_number", "error", "a score is no number", DROP_ROW),
    Check("broken_encoding", "error", "bytes that are no UTF-8, or half of a surrogate pair", DROP_ROW),
    Check("broken_json", "error", "a line is no JSON object", DROP_ROW),
    Check("unknown_id", "error", "an id that the corpus or the queries beside the rows do not have", DROP_ROW),
    Check("unreadable_row", "error", "a row that is otherwise not of its format", DROP_ROW),
    Check("unreadable_rest", "error", "the rest of a file cannot be read, and was not looked at"),
    Check("no_rows", "error", "a file has no rows"),
    # Which documents stand where.
    Check("no_positive", "error", "a row without a positive", DROP_ROW),
    Check("lone_negatives", "warning", "records of a query without a positive, in a format with several records a row"),
    Check("scattered_rows", "info", "records of a row do not follow each other: what depends on that is not judged"),
    Check("no_negative", "warning", "a row without a negative"),
    Check("positive_in_negatives_id", "error", "a negative has the id of a positive of its row", DROP_NEGATIVE),
    Check("positive_in_negatives_text", "error", "a negative has the text of a positive of its row", DROP_NEGATIVE),
    Check(
        "positive_in_negatives_normalised", "error",
        "a negative has the text of a positive of its row but for case, white space and Unicode form", DROP_NEGATIVE,
    ),
    Check("positive_in_negatives_near", "warning", "a negative is nearly the text of a positive of its row"),
    Check(
        "other_positive_in_negatives", "error", "a negative is a positive of the same query in another row",
        DROP_NEGATIVE,
    ),
    Check("duplicate_negative_id", "warning", "two negatives of a row have one id", DROP_NEGATIVE),
    Check("duplicate_negative_text", "warning", "two negatives of a row have one text", DROP_NEGATIVE),
    Check(
        "duplicate_negative_normalised", "warning",
        "two negatives of a row have one text but for case, white space and Unicode form", DROP_NEGATIVE,
    ),
    Check("duplicate_positive", "warning", "two positives of a row have one id or one text", DROP_POSITIVE),
    Check("query_in_negatives", "error", "a negative has the text of the query", DROP_NEGATIVE),
    Check("query_in_positives", "warning", "a positive has the text of the query"),
    Check("hub_negative", "warning", "one document is a negative of very many rows"),
    Check("unequal_negatives", "warning", "a row has another number of negatives than most"),
    # Rows beside each other.
    Check("duplicate_row", "warning", "a row is there twice: query, positives and negatives in any order", DROP_ROW),
    Check("query_id_with_two_texts", "error", "a query id stands for two texts"),
    Check("query_text_with_two_ids", "warning", "a query's text has two ids"),
    Check("document_id_with_two_texts", "error", "a document id stands for two texts"),
    Check("missing_id", "warning", "a query or document without an id, where others have one"),
    Check("empty_id", "warning", "an id is empty"),
    # Scores.
    Check("score_not_finite", "error", "a score is NaN or infinite"),
    Check("missing_score", "warning", "a document without a score, where others have one"),
    Check("negative_above_positive", "warning", "a negative has a higher score than the lowest positive of its row"),
    Check("score_order", "info", "the negatives of a row do not come best first"),
    # Texts.
    Check("empty_query", "error", "a query is empty or blank"),
    Check("empty_positive", "error", "a positive is empty or blank"),
    Check("empty_negative", "error", "a negative is empty or blank", DROP_NEGATIVE),
    Check("text_in_characters", "error", "all documents of one side of a row are single characters: a text was cut up"),
    Check("one_character_text", "warning", "a text is a single character"),
    Check("length_outlier", "info", "a text is far longer than others of its kind"),
    Check("mojibake", "warning", "UTF-8 that was read as another encoding, such as Ã© for é"),
    Check("replacement_character", "warning", "U+FFFD stands for a character that was lost"),
    Check("control_character", "warning", "a control character other than tab and line ends"),
    # What evaluation sees.
    Check("leaked_query", "error", "a query of the evaluation is a query of the rows"),
    Check("leaked_positive", "error", "the answer to a query of the evaluation is a positive of the rows"),
    Check("evaluation_positive_in_negatives", "info", "the answer to a query of the evaluation is a negative"),
]  # fmt: skip

CHECKS = {check.name: check for check in _ALL}
"""Every check by its name, in the order in which findings of one severity are listed."""
