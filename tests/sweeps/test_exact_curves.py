import numpy as np

import collapsejax as cj


def test_exact_curves_of_a_grid():
    over = {"dim": [2, 5], "num_samples": [3, 20]}
    known = cj.exact_curves(cj.Gaussian(), ["replace", "accumulate"], over=over, num_generations=6)
    assert dict(known.sizes) == {"dim": 2, "workflow": 2, "num_samples": 2, "generation": 6}
    one = cj.theory.curve(cj.Gaussian(5), cj.Replace(), num_samples=20, num_generations=6)
    for name, curve in one.items():
        np.testing.assert_array_equal(known[name].sel(dim=5, workflow="replace", num_samples=20), curve)
    unknown = known.logdet_ratio.sel(workflow="accumulate")
    assert np.isnan(unknown.sel(num_samples=20)).all()
    assert np.isneginf(unknown.sel(dim=5, num_samples=3, generation=0))
