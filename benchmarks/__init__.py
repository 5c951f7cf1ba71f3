"""Benchmarks: every comparison is interleaved in one run, because machines are noisy and only ratios hold."""
