"""A mining run as one self-contained page: what it holds, what stands out in it, and its doubtful rows to look at."""
