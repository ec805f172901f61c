"""Benchmarks beside the real peers, run by `make bench`; every result carries the yardstick."""
