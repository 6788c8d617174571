"""Simulated means compared with exact ones, over a table of experiments."""
