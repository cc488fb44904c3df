"""Benchmark suites, peers, runner and reports behind ``fastconv bench`` and ``fastconv check``."""
