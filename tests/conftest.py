"""Puts this folder on the import path, for the list of problems in cases.py; orders the tests."""

import pytest
from hypothesis import settings

# What takes a minute and more: first, so that processes that share the tests end together.
_LONGEST = {"test_runner.py", "test_kernels_on_host.py", "test_resources.py"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests."""
    items.sort(key=lambda item: item.path.name not in _LONGEST)


# The first example of a property pays for imports and allocations, so no deadline per example; the
# same examples in every run, so that a failure can be repeated.
settings.register_profile("fastconv", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("fastconv")
