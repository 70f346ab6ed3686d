"""Saved files that somebody changed: a ValueError that names the file when it is loaded, or an object that works."""

import copy
import json

import numpy as np
import pytest

import hardmine as hm

RUN = hm.Candidates(
    [0, 2, 4],
    [2, 3, 3, 4],
    np.float32([0.5, 0.25, 0.5, 0.25]),
    ranks=[1, 2, 1, 2],
    anchor_scores=np.float32([0.1] * 4),
    sources=np.int16([0, 1, 0, 1]),
    query_ids=["q0", "ñ"],
    document_ids=["a", "b", "ç", "d", "e"],
    reasons={"excluded": [1, 1]},
    positives=hm.Positives([0, 1, 2], [0, 1], [0.9, 0.8]),
    metadata={"teacher": "hand", "k": 2, "similarity": "dot"},
)
RULE = hm.Selection(1, ceiling=hm.NoCeiling(), draw=hm.TopThen(1, hm.Popularity(np.ones(5))))
CHOSEN = hm.select(RUN, RUN.positives, hm.Selection(1, ceiling=hm.NoCeiling()))


def dataset():
    texts = ["q0", "ñ"], ["a", "b", "ç", "d", "e"]
    return hm.data.NegativeDataset(
        texts, RUN, RULE, positives=RUN.positives, document_groups=np.arange(5), query_keys=[5, 6],
        document_keys=np.arange(5), exclude=[[4], [2]],
    )  # fmt: skip


def weighted():
    rule = hm.Selection(1, ceiling=hm.NoCeiling(), draw=hm.Weighted(np.zeros(4)))
    return hm.data.NegativeDataset((["q0", "q1"], list("abcde")), RUN, rule, positives=hm.Positives([0, 1, 1], [0]))


def use_run(path):
    run = hm.Candidates.load(path)
    repr(run), list(run.query_ids or ()), list(run.document_ids or ())
    hm.fuse([run, run], k=1), hm.merge([run])


def use_negatives(path):
    repr(hm.Negatives.load(path))


def use_dataset(path):
    found = hm.data.NegativeDataset.load(path)
    repr(found), found.__getitems__(range(len(found))), [found[i] for i in range(len(found))]


def use_index(path):
    hm.ExactIndex.load(path).search(np.ones((2, 4), np.float32), 2)


KINDS = {
    "candidates": (RUN, use_run),
    "negatives": (CHOSEN, use_negatives),
    "ensemble": (hm.ensemble([CHOSEN, CHOSEN], scheme="intra_sample"), use_negatives),
    "dataset": (dataset(), use_dataset),
    "weighted dataset": (weighted(), use_dataset),
    "index": (hm.ExactIndex(np.eye(4, dtype=np.float32)), use_index),
}
ODD = [None, True, -1, 1.5, 3, 2**70, "x", [], {}, [1], {"a": 1}, [[1]], [{"a": 1}], ["x"], {"kind": "x"}]
SHAPES = [[10**30], [-1], [1.5], ["a"], None, [True], [[1]], [2**62, 4], [0], [], [2**70, 0], [0] * 70, [float("inf")]]
OFFSETS = [[0], [0, 1, 2], [0, 0], [0, 10**40], None, "ab", [None, None], [0.0, 8.0], [-8, 0], [float("nan"), 0]]


def parts(path):
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def written(path, header, body):
    text = json.dumps(header).encode()
    text += b" " * (-(len(text) + 8) % 64)
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)


def changed_places(value, path=()):
    """Every place of nested JSON data, to be replaced or taken out."""
    for key in value:
        yield (*path, key)
        if isinstance(value[key], dict):
            yield from changed_places(value[key], (*path, key))


def replaced(value, path, new, *, drop=False):
    found = copy.deepcopy(value)
    inner = found
    for key in path[:-1]:
        inner = inner[key]
    if drop:
        del inner[path[-1]]
    else:
        inner[path[-1]] = new
    return found


def hostile_headers(header):
    metadata = json.loads(header["__metadata__"]["metadata"])

    def with_metadata(text):
        return replaced(header, ("__metadata__", "metadata"), text)

    for new in (*ODD, float("nan")):
        yield with_metadata(json.dumps(new))
        yield with_metadata(new)
        yield replaced(header, ("__metadata__",), new)
    yield with_metadata("[" * 100_000)
    for place in changed_places(metadata):
        yield with_metadata(json.dumps(replaced(metadata, place, None, drop=True)))
        for new in (*ODD, float("inf")):
            yield with_metadata(json.dumps(replaced(metadata, place, new)))
        yield with_metadata(json.dumps(replaced(metadata, place, "HUGE")).replace('"HUGE"', "1e400"))
    for name in [name for name in header if name != "__metadata__"]:
        yield replaced(header, (name,), None, drop=True)
        for new in ODD:
            yield replaced(header, (name,), new)
        for field, values in (("shape", SHAPES), ("data_offsets", OFFSETS)):
            for new in values:
                yield replaced(header, (name, field), new)
        for new in ("F64", "F32", "I64", "I32", "U64", "U8", "BOOL", "x", [], {}, None):
            yield replaced(header, (name, "dtype"), new)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", KINDS)
def test_headers(tmp_path, kind):
    made, use = KINDS[kind]
    path = tmp_path / "file.hm"
    made.save(path)
    use(path)
    header, body = parts(path)
    refused = [error for error in (outcome(use, path, hostile, body) for hostile in hostile_headers(header)) if error]
    assert len(refused) > 100
    assert {type(error) for error in refused} == {ValueError}, [
        error for error in refused if type(error) is not ValueError
    ]
    assert all("file.hm" in str(error) for error in refused)


def outcome(use, path, header, body):
    written(path, header, body)
    try:
        use(path)
    except Exception as error:
        return error
    return None


@pytest.mark.parametrize(
    "number", ["1e400", "-1e400", "2.0", "1180591620717411303424", "9223372036854775808", "-1", "true"]
)
@pytest.mark.parametrize("place", ['"shape":[{0},0],"data_offsets":[0,0]', '"shape":[0],"data_offsets":[{0},{0}]'])
def test_numbers_of_a_header(tmp_path, number, place):
    """Also where there are no data, whose length would give them away."""
    about = '"__metadata__":{"hardmine":"candidates","metadata":"{}"}'
    text = f'{{{about},"ids":{{"dtype":"I64",{place.format(number)}}}}}'.encode()
    (tmp_path / "file.hm").write_bytes(len(text).to_bytes(8, "little") + text)
    with pytest.raises(
        ValueError, match=r"file\.hm: array 'ids' is malformed or truncated \(.*, expected an integer from 0"
    ):
        hm.Candidates.load(tmp_path / "file.hm")


@pytest.mark.parametrize("kind", ["candidates", "dataset"])
def test_string_tables(tmp_path, kind):
    """Bytes that are no UTF-8, and offsets inside a character: at load, not when the string is asked for."""
    made, use = KINDS[kind]
    path = tmp_path / "file.hm"
    made.save(path)
    header, body = parts(path)
    tables = [name.removesuffix(".data") for name in header if name.endswith(".data")]
    assert len(tables) == 2
    for table in tables:
        start, end = header[f"{table}.data"]["data_offsets"]
        for at in range(start, end):
            hostile = bytearray(body)
            hostile[at] = 0xFF
            written(path, header, bytes(hostile))
            with pytest.raises(ValueError, match=r"file\.hm: malformed .* \(data: no UTF-8"):
                use(path)
        start, end = header[f"{table}.offsets"]["data_offsets"]
        offsets = np.frombuffer(body[start:end], np.int64).copy()
        first, last = header[f"{table}.data"]["data_offsets"]
        inside = int(((np.frombuffer(body[first:last], np.uint8) & 0xC0) == 0x80).argmax())
        offsets[np.searchsorted(offsets, inside, side="right") - 1] = inside
        written(path, header, body[:start] + offsets.tobytes() + body[end:])
        with pytest.raises(ValueError, match=r"file\.hm: malformed .*begins inside a character"):
            use(path)


def test_a_character_across_two_blocks(monkeypatch):
    data = np.frombuffer("añb€c".encode(), np.uint8)
    for block in range(1, 9):
        monkeypatch.setattr("hardmine.nouns.strings._BLOCK", block)
        assert list(hm.StringTable(np.array([0, 1, 3, 8]), data)) == ["a", "ñ", "b€c"]
        with pytest.raises(ValueError, match="data: no UTF-8"):
            hm.StringTable(np.array([0, 6]), data[:6])
        with pytest.raises(ValueError, match="offsets: string 1 begins inside a character"):
            hm.StringTable(np.array([0, 2, 2, 8]), data)


@pytest.mark.parametrize(("metadata", "error"), [
    ({"x": float("nan")}, ValueError), ({"x": np.int64(1)}, TypeError), ({"x": [{"y": float("inf")}]}, ValueError),
])  # fmt: skip
def test_metadata_that_json_cannot_hold_is_refused_by_file(tmp_path, metadata, error):
    with pytest.raises(error, match=r"run\.hm: metadata: .*, expected what JSON can hold"):
        RUN.replace(metadata=metadata).save(tmp_path / "run.hm")
    assert list(tmp_path.iterdir()) == []


def test_an_ensemble_at_infinite_temperature_is_saved(tmp_path):
    found = hm.ensemble([CHOSEN, CHOSEN], scheme="joint", num_negatives=1, temperature=float("inf"))
    found.save(tmp_path / "n.hm")
    assert hm.Negatives.load(tmp_path / "n.hm").metadata["temperature"] is None
