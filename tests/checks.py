"""Statistical gates: z-scores against an exact value or between two samples, each shown to catch a planted error."""

import numpy as np

GATE = 5.0
PLANTED = 1.05


def z_scores(sample, exact):
    """(mean - exact) / s.e. over the leading axis."""
    sample = np.asarray(sample, np.float64)
    return (sample.mean(axis=0) - exact) / (sample.std(axis=0, ddof=1) / np.sqrt(len(sample)))


def assert_mean_is(sample, exact):
    """The means are `exact`; and 5 % more than that would have failed."""
    assert np.abs(z_scores(sample, exact)).max() < GATE
    assert np.abs(z_scores(sample, PLANTED * np.asarray(exact))).max() > GATE


def _difference(a, b):
    """z of the difference of means, and of variances (the variance's own variance from the fourth moment)."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    means = (a.mean(axis=0) - b.mean(axis=0)) / np.sqrt(a.var(axis=0) / len(a) + b.var(axis=0) / len(b))

    def spread(x):
        return (((x - x.mean(axis=0)) ** 2).var(axis=0)) / len(x)

    variances = (a.var(axis=0) - b.var(axis=0)) / np.sqrt(spread(a) + spread(b))
    return means, variances


def assert_same_law(a, b):
    """Means and variances agree; and 5 % more of everything would show somewhere, in means or variances."""
    assert max(np.abs(z).max() for z in _difference(a, b)) < GATE
    assert max(np.abs(z).max() for z in _difference(a, PLANTED * np.asarray(b))) > GATE
