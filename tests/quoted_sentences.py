"""The sentences that quote the study (f, its findings) or the recipes (r, rows by what they compare), page by page.

Each is its words, with {} for what is computed, and these things. It has words before and behind each of them.
"""

UNADJUSTED = "by intervals that no adjustment has widened"
ALIKE = "Where both choose among the same trainings, a reading added when test figures of banking77 had been seen, it"


SCORED = ("in-batch + KL", "random + KL", "naive + KL")
"""Arms that are tried with both weights of the scores."""


def twice(f, better, than, *, alike=False):
    """The outcome of a claim, and what the run before said where that was judged again."""
    return f"{f.outcome(better, than, alike=alike)}. {f.earlier(better, than)}".strip()


def ceilings(f, r):
    yield "banking77: {} of its negatives answer the query.", f.false("naive")
    yield f"Over in-batch negatives alone, {UNADJUSTED}, it {{}} |", f.sides("naive", "in-batch")
    for rule, what in (("Abs", "TopK-Abs"), ("MarginPos", "TopK-MarginPos")):
        yield (
            f"{what} over as many random documents, in the run before alone and {UNADJUSTED}: {{}} |",
            f.sides_before(rule, "random"),
        )
    yield "PercPos over naive mining in the study: {}.", f.outcome("PercPos", "naive")
    yield f"{ALIKE} {{}} In the recipes:", twice(f, "PercPos", "naive", alike=True)
    nv = [r("NV-Retriever", f"{world}, nDCG@10: PercPos over naive top 4") for world in ("cranfield", "banking77")]
    yield "In the recipes: cranfield {}, banking77 {}.", *nv
    yield "Over as many random documents in the study: {}.", f.outcome("PercPos", "random")
    yield "Over in-batch negatives alone: {} |", f.outcome("PercPos", "in-batch")
    yield "banking77, each with the f that dev chose: {} false beside {}.", f.false("Anchored 1"), f.false("PercPos")
    yield "Over PercPos in training: {}; dev tuned", f.outcome("Anchored 1", "PercPos")


def draws(f, r):
    over = "nDCG@10: SimANS{} over {}".format
    names = ("uniform draws from a tuned pool", "uniform draws under PercPos")
    plain, centred = ([r("SimANS", over(b, name)) for name in names] for b in ("", " with b = 0"))
    yield (
        "Seen here (banking77): over uniform draws from a tuned pool {}, over uniform draws under PercPos {}; with",
        *plain,
    )
    yield "with b = 0: {} and {}.", *centred
    top, (fresh, depth) = (f.setting("banking77", arm).value for arm in ("PercPos", "fresh under PercPos"))
    shares = f.false("fresh under PercPos"), f"f = {fresh}, {depth}", f"f = {top}", f.false("PercPos")
    yield (
        "Of banking77's draws {} are false ({} candidates, as dev chose), of the top under {} {} are. In",
        *shares,
    )
    yield "In the student, over that top: {}.", f.outcome("fresh under PercPos", "PercPos")
    yield (
        f"In the run before alone and {UNADJUSTED}, over PercPos' top it {{}}. Needs",
        f.sides_before("Stratified", "PercPos"),
    )


def losses(f, r):
    yield "over InfoNCE with PercPos' negatives, each tuned for itself: {}. With", f.outcome("PercPos + KL", "PercPos")
    yield f"With the batch alone, {UNADJUSTED}, it {{}} |", f.sides("in-batch + KL", "in-batch")
    than = ("listwise cross-entropy", "LambdaRank")
    rows = [
        r("PG-RANK", f"nDCG@10, {world}: policy gradient over {name}")
        for world in ("cranfield", "cisi")
        for name in than
    ]
    yield "over listwise cross-entropy and over LambdaRank: cranfield {} and {}, cisi {} and {} |", *rows
    published = r("ClusterNS", "nDCG@10: hard centroids and margin, as published, over plain in-batch")
    yield "banking77: as published, over the plain batch {} |", published
    rows = [
        r("SimpleX", f"Recall@20: CCL with 1,000 negatives over {name}")
        for name in ("MF-BPR", "softmax with 1,000 negatives")
    ]
    yield "Last.fm, Recall@20: over BPR {}, over a softmax over as many negatives {} |", *rows
    names = ("SAR-PU, propensity given,", "SAR-EM")
    rows = [r("SAR-PU", f"accuracy, {data}: {name} over SCAR") for name in names for data in ("tumours", "digits")]
    yield "over SCAR, propensity given: tumours {}, digits {}; propensity learnt: tumours {}, digits {} |", *rows
    names = ("naive hard negatives", "random negatives", "MiniLM untrained")
    rows = [r("CET-style", f"nDCG@10: coupled estimate over {name}") for name in names]
    yield "cranfield: over naive negatives {}, random ones {}, the untrained model {} |", *rows
    altered = r("FSC-CLIP-style", "accuracy on altered texts: focal + smoothing over cross-entropy")
    yield "altered texts of cranfield: over plain cross-entropy {} |", altered
    names = ("no filter", "numbers of pieces")
    more = "false positives a query at dev's cosine of 90 % recall: {} over the taught length".format
    rows = [r("ASL-style", more(name)) for name in names]
    yield "false positives a query, more than here: without a filter {}, with one by numbers of word pieces {} |", *rows


def several(f, r):
    intra = r("NV-Retriever", "banking77, nDCG@10: intra_sample of MiniLM and BM25 over MiniLM, all under PercPos")
    yield "MiniLM with BM25, intra-sample, over MiniLM alone in the recipes: banking77 {}.", intra
    yield "Over the teacher that is better on dev in the study: {}.", f.outcome("ensemble", "PercPos")
    one = "nDCG@10, clean claims: joint draws, unfiltered, over draws from {}'s list alone".format
    yield (
        "scifact's clean claims: over draws of MiniLM's list {}, of BM25's {}.",
        *(r("R2anker-style", one(name)) for name in ("MiniLM", "BM25")),
    )


def training(f, r):
    yield "over PercPos' top in the study: {} |", f.outcome("fresh under PercPos", "PercPos")
    adore = [
        r("STAR, ADORE", f"nDCG@10: ADORE{name}")
        for name in (", a search each step over the first", " over random documents")
    ]
    yield (
        "banking77, one label a query: a search each step over lists that are kept {}, and over random documents {}:",
        *adore,
    )
    hardest = "nDCG@10: hardest 128 of the bank under a ceiling over {} under a ceiling".format
    yield (
        "under a ceiling over no bank {}, over all of the bank {} |",
        *(r("MoCo bank", hardest(name)) for name in ("no bank", "all of the bank")),
    )
    yield (
        "a ceiling on the batch's own documents, with random documents, in the study: {} |",
        twice(f, "random, masked", "random"),
    )
    cosines = (
        r.means("triplets", f"mean pair cosine: batch-hard over random, batch {size}, dimension 4")
        for size in (32, 152)
    )
    yield (
        "mean pair cosine {} beside {} in batches of 32, {} beside {} in batches of 152);",
        *(each for pair in cosines for each in pair),
    )
    rows = [r("ClusterNS", f"nDCG@10: cluster mask over {name}") for name in ("plain in-batch", "PercPos on the batch")]
    yield "banking77: masking the positive's cluster over the plain batch {}, over PercPos on the batch {} |", *rows
    rows = [
        r("SimpleX", f"Recall@20: CCL with 1,000 negatives over {name}")
        for name in ("CCL with 10 negatives", "softmax with 1,000 negatives")
    ]
    yield "Last.fm, Recall@20: 1,000 negatives over 10 with the same loss {}, over a softmax over 1,000 {} |", *rows


def masks(f, r):
    del r
    yield (
        "on the batch's own documents, with random documents in the batch: {} Dev",
        twice(f, "random, masked", "random"),
    )


def which_rule(f, r):
    del r
    yield (
        "on banking77, {} of the naive negatives answer the query, and {} of those under PercPos;",
        f.false("naive"),
        f.false("PercPos"),
    )
    yield (
        f"naive mining over in-batch negatives alone, {UNADJUSTED}: {{}};",
        f.at("banking77", f.pair("naive", "in-batch")),
    )
    yield (
        "PercPos over naive mining: {}, and where both choose among the same trainings {}.",
        f.at("banking77", f.claim("PercPos", "naive")),
        f.at("banking77", f.claim("PercPos", "naive", alike=True)),
    )
    yield "PercPos over the batch alone: {} |", f.at("banking77", f.claim("PercPos", "in-batch"))
    found = [f.at("docstrings", f.claim("PercPos", than)) for than in ("naive", "in-batch", "random")]
    yield "on docstrings PercPos over naive mining {}, over the batch alone {}, over random documents {} |", *found
    yield "PercPos over them, in the study: {}.", f.outcome("PercPos", "random")
    yield "PercPos over in-batch negatives alone: {}.", f.outcome("PercPos", "in-batch")
    yield "over `info_nce` alone, each tuned for itself: {}.", f.outcome("PercPos + KL", "PercPos")
    yield "With scores on either side, mined over random documents: {}.", f.outcome("PercPos + KL", "random + KL")
    fresh = f.outcome("fresh, no ceiling + KL", "random + KL")
    yield "Fresh draws from the top over random documents, with scores on either side: {}.", fresh
    yield f"With the batch alone, scores over none, {UNADJUSTED}: {{}}.", f.sides("in-batch + KL", "in-batch")
    yield "In training, over PercPos: {}. Dev", f.outcome("Anchored 1", "PercPos")
    yield from others(f)


def others(f):
    """What came of students that are not A."""
    small = f.of("A8")
    yield (
        "in batches of 8 PercPos over naive mining: {}. Over in-batch negatives alone: {}. Over as many random "
        "documents: {}. The scores in the loss over PercPos: {}. Fresh draws from the top over random documents, both "
        "with scores: {}.",
        *(small.outcome("PercPos", than) for than in ("naive", "in-batch", "random")),
        small.outcome("PercPos + KL", "PercPos"),
        small.outcome("fresh, no ceiling + KL", "random + KL"),
    )
    b, c = f.of("B"), f.of("C")
    for what, student in (("With MiniLM's top layer", b), ("With all of MiniLM", c)):
        yield (
            f"{what} PercPos over naive mining: {{}}. Over in-batch negatives alone: {{}}. "
            "Over random documents: {}.",
            *(student.outcome("PercPos", than) for than in ("naive", "in-batch", "random")),
        )
    yield "The scores in the loss, with its top layer, over PercPos: {}.", b.outcome("PercPos + KL", "PercPos")


def evidence(f, r):
    over, mined = (f.outcome("PercPos + KL", than, means=False) for than in ("PercPos", "random + KL"))
    yield "the teacher's scores in the loss, over PercPos without them: {}. PercPos'", over
    yield "PercPos' top over random documents, both with scores: {}. Fresh", mined
    fresh = f.outcome("fresh, no ceiling + KL", "random + KL", means=False)
    yield "Fresh draws over random documents, both with scores: {}. For", fresh
    top = f.of("B").outcome("PercPos", "random", means=False)
    yield "For MiniLM's top layer, PercPos over as many random documents, without scores: {} |", top
    yield "PercPos over naive mining: {}; where", f.outcome("PercPos", "naive")
    yield (
        "where both choose among the same trainings, a reading that was added later, it {} In",
        twice(f, "PercPos", "naive", alike=True),
    )
    rows = [r("NV-Retriever", f"{world}, nDCG@10: PercPos over naive top 4") for world in ("cranfield", "banking77")]
    yield "In the recipes PercPos over naive mining is {} on cranfield, and {} on banking77.", *rows
    yield "PercPos over as many random documents: {}.", f.outcome("PercPos", "random")
    yield "PercPos over in-batch negatives alone: {}.", f.outcome("PercPos", "in-batch")
    yield from others(f)
    yield (
        "where both choose among the same trainings PercPos over naive mining: {} with the top layer, and {} with all; "
        "over random documents: {} with the top layer, and {} with all.",
        *(f.of(student).outcome("PercPos", than, alike=True) for than in ("naive", "random") for student in "BC"),
    )


def fine_tune(f, r):
    del r
    over = [student.outcome("PercPos + KL", "PercPos", means=False) for student in (f, f.of("B"))]
    yield "for a student from a random start: {}. For one that is its own teacher: {}.", *over
    alone, *further = ([f.setting(world, f"{arm}").training.kl == 3 for world in f.anew] for arm in SCORED)
    took = sum(further, alone)
    counts = (sum(took), len(took), sum(alone), len(alone))
    yield "its dev parts took 3 in {} of {} cases, with the batch alone in {} of {}.", *map(str, counts)


PAGES = {
    "docs/methods/ceilings.md": ceilings,
    "docs/methods/draws.md": draws,
    "docs/methods/losses.md": losses,
    "docs/methods/several.md": several,
    "docs/methods/training.md": training,
    "docs/explain/masks.md": masks,
    "docs/howto/which_rule.md": which_rule,
    "docs/evidence.md": evidence,
    "docs/fine_tune.md": fine_tune,
}
