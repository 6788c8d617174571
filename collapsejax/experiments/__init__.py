"""Experiments other than sweeps: the value of synthetic data, time until collapse, need of fresh data, assessments."""
