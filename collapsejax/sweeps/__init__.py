"""Grids of experiments times many seeds: cells, compiled programs, and their run in memory or into a store."""
