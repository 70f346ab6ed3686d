"""Small models for the tests, made on the spot. Needs transformers."""


def tiny_bert(folder, *, labels=None, masked=False, positions=32):
    """A random two-layer BERT with a word-level vocabulary, in a folder of its own.

    With labels a cross-encoder; masked: a masked-language model, whose logits are far from 0 on both sides.
    """
    import torch
    import transformers

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefgh", "query", "doc", ":"]
    (folder / "vocab.txt").write_text("\n".join(words))
    transformers.BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)  # the name differs by version
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=positions, **({} if labels is None else {"num_labels": labels}),
        **({"initializer_range": 0.5} if masked or labels is not None else {}),
    )  # fmt: skip
    made = transformers.BertModel if labels is None else transformers.BertForSequenceClassification
    model = (transformers.BertForMaskedLM if masked else made)(config)
    if masked:
        torch.nn.init.normal_(model.cls.predictions.bias)  # made as zeros, which nobody would miss
    model.save_pretrained(folder)
    return folder
