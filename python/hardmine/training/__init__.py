"""What lives inside a training loop, on top of search and select: the bank, dynamic mining, clusters."""
