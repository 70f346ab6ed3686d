"""Which negatives train the better retriever.

`plan` says what is compared and `claims` what is claimed; both were written before what was judged was read.
"""
