"""Which negatives train the better retriever.

`plan` says what is compared and `claims` what is claimed; both were written before any test figure was read.
"""
