"""The text of `exactness.md`, the guide's page on exact curves, whose table `theory.curve` fills.

`python -m collapsejax.guide.exactness > collapsejax/guide/exactness.md` updates it.
"""

from __future__ import annotations

from typing import NamedTuple

from .. import sources
from ..core.base import Task, Workflow
from ..loop.memory import metric_names
from ..tasks import KDE, Categorical, ExponentialFamily, Gaussian, LinearRegression, Probed, Transformer
from ..theory import curve
from ..workflows import (
    Accumulate,
    AccumulateSubsample,
    Augment,
    FreshData,
    Replace,
    Selected,
    Weighted,
    Window,
)

NUM_SAMPLES, NUM_GENERATIONS = 20, 5


class Case(NamedTuple):
    """A row of the table: what the theory treats alike, and a task of that kind for n = NUM_SAMPLES."""

    label: str
    task: Task


CASES = (
    Case("Gaussian, n > d, normal data", Gaussian(3)),
    Case("Gaussian, n <= d", Gaussian(NUM_SAMPLES)),
    Case("Gaussian, data of another law", Gaussian(source=sources.moons())),
    Case("KDE, bandwidth a number", KDE(sources.moons(), 0.3)),
    Case("KDE, bandwidth a schedule", KDE(sources.moons(), 0.3, bandwidth_exponent=0.2)),
    Case("KDE, bandwidth a scaled rule", KDE(sources.moons(), "scott-scaled")),
    Case("KDE, bandwidth a number, blobs", KDE(sources.blobs(), 0.3)),
    Case("KDE, bandwidth a scaled rule, blobs", KDE(sources.blobs(), "scott-scaled")),
    Case("LinearRegression, one design, n > d + 1", LinearRegression(3)),
    Case("LinearRegression, one design, n < d - 1", LinearRegression(NUM_SAMPLES + 10)),
    Case("LinearRegression, one design, n = d", LinearRegression(NUM_SAMPLES)),
    Case("LinearRegression, fresh designs, n > d + 1", LinearRegression(3, fresh_design=True)),
    Case("LinearRegression, fresh designs, n < d - 1", LinearRegression(NUM_SAMPLES + 10, fresh_design=True)),
    Case("LinearRegression, refitted noise, n > d + 1", LinearRegression(3, refit_noise=True)),
    Case("LinearRegression, ridge > 0", LinearRegression(3, ridge=1.0)),
    Case("Categorical", Categorical(5)),
    Case("ExponentialFamily", ExponentialFamily("poisson", 2.0)),
    Case("Probed", Probed(KDE(sources.moons(), 0.3))),
    Case("Transformer", Transformer(sources.markov())),
)

COLUMNS: dict[str, Workflow] = {
    "replace": Replace(),
    "accumulate": Accumulate(),
    "accumulate-subsample": AccumulateSubsample(),
    "fresh-data, num_fresh = n": FreshData(NUM_SAMPLES),
    "fresh-data": FreshData(NUM_SAMPLES // 2),
    "augment": Augment(),
    "weighted": Weighted(),
    "window": Window(),
    "selected": Selected(),
}

HEAD = """\
# Exact curves

`cj.theory.curve(task, workflow, num_samples=, num_generations=)` returns the exact mean over seeds of each metric in
every generation, in float64 and without simulation. A metric whose mean is not known exactly is absent: nothing is
approximated. `cj.theory.why_unknown`, with the same arguments, says of each of these why not, as does the KeyError of
asking for it. `cj.exact_curves` returns the curves of a whole grid, labelled as the results of `cj.sweep` are:
`cj.exact_curves(data)` those of results, which say of themselves what made them. `cj.summary(data)` has them beside the
means, with z-scores; `cj.plots.curves(data, exact=cj.exact_curves(data))` draws both, as the command `plot`
does. Of classes of your own results keep the names alone; give these with `cj.exact_curves(task, workflows, ...)`.

The table shows which means are known, at temperature 1 and with the same number of samples n in every generation.
Where a Gaussian's fit is singular in every seed, for n <= d and no later real data, the means are infinite, as all
values are. A `Selected` that keeps all rows, or whose verdicts are all random, has the curves of its inner workflow.
`python -m collapsejax.guide.exactness` writes this page from `theory.curve`; a test compares the two.

"""

TAIL = """
First and second moments come from one linear recursion over batches (`theory.recursion`), which runs the workflow's own
methods on symbolic data. It therefore gives the curves of your own workflow too, unless that workflow looks at the
values of its data. Entropy and extinctions of categorical data come from Markov chains, and are absent where these take
more than some seconds. Blobs have other centres in every seed, hence no known error in absolute units.

Other functions of `collapsejax.theory`:

- `limit`: the values that the curves tend to.
- `asymptote`: leading orders, which are approximations and therefore kept apart.
- `variance`: exact variances over the seeds.
- `informative`: the last generation in which a Monte Carlo mean is worth a comparison. Under replace rare seeds soon
  carry the mean of a variance; the log-determinant then takes its place.
- The formulas themselves, among them `mixing.optimal_weight`, `mixing.effective_sample_size`,
  `fresh.critical_num_synthetic`, `outcomes.fixation_time` and `wishart.lyapunov_rates`.

`collapsejax validate` simulates about a hundred experiments with 10^5 seeds each and compares them with these curves in
some minutes. It exits with code 1 if any |z| exceeds 5 or if the root mean square of all z leaves [0.8, 1.2].
`--out report.json` writes all numbers and a figure, `--only kde` restricts the comparison to one task, and
`--plant 0.01` scales one curve by 1 %, which must fail. `cj.validate(task, workflow, num_samples=, num_generations=,
num_seeds=, key=)` does the same for one pair, also of your own, with `exact=` for means that you know of it.
"""


def page() -> str:
    """The text of `exactness.md`."""
    return HEAD + table() + TAIL


def table() -> str:
    """For each case and metric, whether its mean is known under each workflow, as a Markdown table."""
    lines = [["task", "metrics", *COLUMNS], [":--"] * (2 + len(COLUMNS))]
    for label, task in CASES:
        for known, metrics in _by_pattern(task).items():
            names = ", ".join(f"`{name}`" for name in metrics)
            lines.append([label, names, *("exact" if exact else "-" for exact in known)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _by_pattern(task: Task) -> dict[tuple[bool, ...], list[str]]:
    """Metrics that are known under the same workflows; for each of `COLUMNS`, whether they are."""
    sizes = dict(num_samples=NUM_SAMPLES, num_generations=NUM_GENERATIONS)
    curves = [curve(task, workflow, **sizes) for workflow in COLUMNS.values()]
    patterns: dict[tuple[bool, ...], list[str]] = {}
    for name in metric_names(task, Replace(), **sizes):
        patterns.setdefault(tuple(name in known for known in curves), []).append(name)
    return patterns


if __name__ == "__main__":
    print(page(), end="")
