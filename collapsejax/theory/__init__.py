"""Exact curves, limits and leading orders of model collapse, in float64 and without simulation."""

from .curves import curve

__all__ = ["curve"]
