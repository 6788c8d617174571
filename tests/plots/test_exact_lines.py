import numpy as np

import collapsejax as cj
from collapsejax.results.dataset import to_dataset


def results(curves):
    """Curves (workflow, n, S, G) as results."""
    workflows = ["replace", "accumulate-subsample", "accumulate"]
    dims = {"workflow": workflows, "num_samples": list(range(10, 10 + np.shape(curves)[1]))}
    return to_dataset({"test_nll": np.asarray(curves)}, dims, 0, {})


def test_exact_lines_are_where_something_is_known():
    curves = np.random.default_rng(0).uniform(1, 2, (3, 2, 9, 6))
    known = results(curves[:, :, :1]).test_nll.isel(seed=0, drop=True).to_dataset()
    known = known.where(known.workflow != "accumulate")
    for figure in (
        cj.plots.curves(results(curves), exact=known),
        cj.plots.excess(results(np.cumsum(curves, axis=3)), "test_nll", exact=known.cumsum("generation")),
    ):
        lines = [[line for line in axis.lines if str(line.get_color()) == "0.15"] for axis in figure.axes]
        finite = [sum(np.isfinite(line.get_ydata()).any() for line in of) for of in lines]
        assert finite[:2] == [2, 2]
