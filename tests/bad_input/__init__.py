"""Calls that must be refused, room by room; tests/test_bad_input.py makes them."""
