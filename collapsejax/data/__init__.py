"""Representations of a training set: rows, and summaries of rows that can be merged."""
