"""Tests of the benchmarks' tools."""
