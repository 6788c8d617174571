"""Experiments other than sweeps: the value of synthetic data, and the time until collapse."""
