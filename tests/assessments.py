"""A made-up assessment, for tests of what is said and drawn of one."""

import numpy as np

from collapsejax.experiments.assessment import Assessment
from collapsejax.experiments.categories import categories
from collapsejax.experiments.columns import Column
from collapsejax.experiments.findings import Course, Family
from collapsejax.experiments.fresh_needed import FreshNeeded
from collapsejax.experiments.weighting import Weighting

LENGTH, TOLERANCE = 12, 0.1


def losses(slope, seed=0, num_seeds=20):
    """Losses (S, G) that grow by `slope` in each generation."""
    noise = np.random.default_rng(seed).normal(size=(num_seeds, LENGTH)) * 0.01
    grown = np.full(LENGTH, slope, float)
    grown[0] = 0
    return 3 + np.cumsum(grown) + noise


def made_up():
    """An assessment of two models and a column of categories, one of them rare."""
    courses = lambda slope: (
        Course.of("replace", 0.0, losses(slope), TOLERANCE),
        Course.of("accumulate", None, losses(-0.01), TOLERANCE),
        Course.of("accumulate-subsample", None, losses(0.005), TOLERANCE),
        Course.of("fresh 0.3 (6 of 20)", 0.3, losses(0.02), TOLERANCE),
    )
    needed = FreshNeeded(0.4, 0.35, 0.5, 0.05, False, 0.09, 0.01, TOLERANCE, "test_nll", "nats a row", 20, LENGTH, 20)
    columns = (
        Column("income <$>", (1.0, 0.5, 0.01), (0.1, 0.4, 0.01), (0.02, 0.02, 0.01), (0.03, 0.35, 0.01)),
        Column("age", (1.0, 0.5, 0.01), (0.1, 0.2, 0.01), (0.02, 0.1, 0.01), (0.03, 0.1, 0.01)),
    )
    spread = {"replace": np.linspace(1, 0.4, LENGTH), "accumulate": np.linspace(1, 0.9, LENGTH)}
    families = tuple(
        Family(
            *(model, "one of two", "test_nll", "nats a row", courses(slope), needed, (Weighting.of(8, 12),)),
            *(("trace_ratio", spread), {}, columns, (0.05, 0.01, 0.001)),
        )
        for model, slope in (("Gaussian", 0.2), ("KDE", np.inf))
    )
    cells = ["city"] * 60 + ["village"] * 38 + ["island"] * 2
    settings = dict(
        **dict(path="/data/people.csv", num_rows=40, num_held_out=10, num_test=10, num_samples=20, fresh=(0.0, 0.3)),
        **dict(num_generations=LENGTH, num_seeds=20, tolerance=TOLERANCE, seconds=1.0, versions={"version_jax": "1"}),
    )
    columns = (categories("home", cells, num_samples=20, num_generations=LENGTH),)
    return Assessment(("/data/people.csv: 40 rows",), settings, families, columns, {"id": "numbers the rows"})
