"""What everybody stands on: argument checks, arrays, threads, files. It knows nothing else of hardmine."""
