"""Which negatives train the better retriever.

`plan` says what is compared and `claims` what is claimed, and each says what had been read when it was written.
"""
