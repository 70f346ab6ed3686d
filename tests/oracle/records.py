"""Records of a jsonl file the slow way: one line after another, with the errors of the reader of lines."""

import codecs
import json


def read(data, fields):
    """Columns of (names, default, is_id) fields; (number of the wrong line, field or None) on error."""
    columns = [[] for _ in fields]
    seen = set()
    for number, raw in enumerate(data.split(b"\n"), start=1):
        try:
            line = raw.decode()
        except UnicodeDecodeError:
            return number, None
        line = line.removeprefix(codecs.BOM_UTF8.decode()) if number == 1 else line
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            return number, None
        if not isinstance(record, dict):
            return number, None
        for column, (names, default, is_id) in zip(columns, fields, strict=True):
            name = next((name for name in names if name in record), None)
            value = None if name is None else record[name]
            if is_id and type(value) is int:
                value = str(value)
            if value is None:
                value = default
            try:
                value.encode()
            except (AttributeError, UnicodeEncodeError):
                return number, name or names[0]
            if is_id:
                if value in seen:
                    return number, None
                seen.add(value)
            column.append(value)
    return columns
