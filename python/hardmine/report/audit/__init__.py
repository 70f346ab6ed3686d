"""What is wrong with finished training rows, ours or not: checks, findings with line numbers, repairs."""
