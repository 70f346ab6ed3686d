"""The operations on arrays, each a thin, documented door to the native core; the floor plan is that of the core."""
