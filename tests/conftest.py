"""Puts this folder on the import path, for the list of problems in cases.py."""

from hypothesis import settings

# The first example of a property pays for imports and allocations, so no deadline per example; the
# same examples in every run, so that a failure can be repeated.
settings.register_profile("fastconv", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("fastconv")
