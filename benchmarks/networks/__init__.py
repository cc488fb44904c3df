"""Whole networks: inference and training steps of ``fastconv.models`` against other libraries."""
