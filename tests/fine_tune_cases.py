"""Small collections of the tests of fine-tuning and of its splits."""

from tests.texts import write_beir

LETTERS = "abcdefgh"


def a_world(folder, positives=1):
    """Documents of four letters; a query has the first three of each of its answers."""
    names = ["".join(LETTERS[(at + step * k) % 8] for k in range(4)) for step in (1, 2, 3, 5, 7) for at in range(8)]
    corpus = [(f"d{at}", "", "doc : " + " ".join(name)) for at, name in enumerate(names)]
    queries = [(f"q{at}", "query : " + " ".join(name[:3])) for at, name in enumerate(names)]
    labels = [
        (f"q{at}", f"d{at // positives * positives + k}", 1) for at in range(len(names)) for k in range(positives)
    ]
    return write_beir(folder, corpus, queries, train=labels)


def leaky(folder):
    """Train and test of which three test queries leak: by an answer, by a near copy of one, by their own text."""
    words = " ".join(f"w{at}" for at in range(60))
    corpus = [
        *(("a", "", "red apples are red"), ("b", "", "green pears are green"), ("c", "", words)),
        *(("a2", "", "  RED apples are  red"), ("c2", "", words + " w60"), ("d", "", "blue plums"), ("e", "", "none")),
    ]
    queries = [("q1", "apples?"), ("q2", "pears?"), ("q3", "words?")]
    tests = [("t1", "what are apples?"), ("t2", "which words?"), ("t3", " PEARS? "), ("t4", "plums?")]
    train = [("q1", "a", 1), ("q2", "b", 1), ("q3", "c", 1)]
    test = [("t1", "a2", 1), ("t1", "e", 1), ("t2", "c2", 1), ("t3", "d", 1), ("t4", "d", 1)]
    return write_beir(folder, corpus, queries + tests, train=train, test=test)
