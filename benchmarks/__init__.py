"""Benchmarks: ours and each peer in the same run, on the same data, each fit in a fresh process.

Input: the tables of cases (`cases.py`) and peers (`peers.py`). Output: JSON, one line a run, and a Markdown page.
"""
