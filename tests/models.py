"""Small models for the tests, made on the spot. Needs transformers."""


def tiny_bert(folder, *, labels=None, positions=32):
    """A random two-layer BERT with a word-level vocabulary, in a folder of its own; with labels a cross-encoder."""
    import torch
    import transformers

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefgh", "query", "doc", ":"]
    (folder / "vocab.txt").write_text("\n".join(words))
    transformers.BertTokenizerFast(vocab=dict(zip(words, range(len(words)), strict=True))).save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=positions,
        **({} if labels is None else {"num_labels": labels, "initializer_range": 0.5}),
    )  # fmt: skip
    made = transformers.BertModel if labels is None else transformers.BertForSequenceClassification
    made(config).save_pretrained(folder)
    return folder
