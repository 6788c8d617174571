"""Studies of other parts than the published ones, and results that no simulation made."""

import jax
import numpy as np
import xarray as xr

from collapsejax.results.dataset import to_dataset
from collapsejax.studies.reproduce import results_of, simulate
from collapsejax.studies.study import Cost, PartResult, Study
from collapsejax.workflows import PUBLISHED

SEED = 20240615


def tiny(of, sizes, seeds=3, *, named=None, finds=None):
    """A study of other parts with the figures of another, and its name and finding unless these are given."""

    class Tiny(Study):
        name, title, citation, claim = named or of.name, of.title, of.citation, "the paper's words"
        full_cost = quick_cost = Cost(seeds, 1.0)
        form, parts = "as published", sizes
        figures, finding = of.figures, finds or of.finding

    return Tiny


def simulated(study, folder):
    """The results of a study that is carried out now."""
    done = simulate(study, folder, seed=SEED, devices=jax.devices()[:1], say=lambda progress: None)
    return results_of(study, done)


def noisy(means, num_seeds=50, noise=0.05):
    """Curves (..., S, G) of seeds about the `means` (..., G), each seed with a factor of its own in each cell."""
    means = np.asarray(means, float)
    factors = np.exp(noise * np.random.default_rng(0).normal(size=(*means.shape[:-1], num_seeds, 1)))
    return means[..., None, :] * factors


def result(part, means, workflows=PUBLISHED, **options):
    """A part with datasets of curves about the `means`, by metric (workflow, *swept, G), which are taken as exact."""
    dims = {"workflow": list(map(str, workflows))} | {name: list(values) for name, values in part.over.items()}
    dataset = to_dataset({name: noisy(curve, **options) for name, curve in means.items()}, dims, 0, {})
    exact = dataset.isel(seed=0, drop=True)
    for name, curve in means.items():
        exact[name] = (exact[name].dims, np.asarray(curve, float))
    return PartResult(part, dataset, exact)


def empty(part, dataset):
    """A part of which nothing is known exactly."""
    return PartResult(part, dataset, xr.Dataset())
