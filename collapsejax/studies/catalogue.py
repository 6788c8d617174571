"""The published studies: of each its sweeps, full and quick, and what the paper found."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from .. import sources
from ..core.arguments import nearest
from ..core.base import Source, Task, Workflow
from ..tasks import KDE, Categorical, Gaussian, LinearRegression, Transformer
from ..workflows import PUBLISHED, Augment, FreshData, Weighted


class Sweep(NamedTuple):
    """A grid for `collapsejax.sweep`."""

    task: Task
    num_samples: Sequence[int]
    num_generations: int
    workflows: Sequence[Workflow | str] = PUBLISHED


class Collapse(NamedTuple):
    """For `collapsejax.until_collapse`: times until one of `num_outcomes` is left, for each of `num_samples`."""

    num_outcomes: int
    num_samples: Sequence[int]

    @property
    def task(self) -> Categorical:
        return Categorical(self.num_outcomes)


class Value(NamedTuple):
    """A grid for `collapsejax.synthetic_value`."""

    task: Task
    num_real: Sequence[int]
    num_synthetic: Sequence[int]
    generator: str
    teacher_rows: int
    tune: Mapping[str, Sequence[float]] | None = None


class Study(NamedTuple):
    """What is run, and why.

    `paper`: what the paper found. `form`: in which form of the protocol this is run. `parts`: by name, each with a
    store. `seconds`: about how long, on two cores and with nothing compiled before.
    """

    title: str
    paper: str
    form: str
    parts: Mapping[str, Sweep | Collapse | Value]
    num_seeds: int
    seconds: float


SAMPLES = (10, 32, 100, 316, 1000)
_FEW_SAMPLES = (10, 32, 100, 316)
_NO_ERRORS = "as published; of its protocol nothing is known to be wrong"


_text = functools.cache(sources.text)  # which takes seconds to read


def find(names: Sequence[str], *, quick: bool, published: bool) -> dict[str, Study]:
    """The studies of these names, or without a name all that do not take long, in the order of the table.

    Args:
        names: of studies.
        quick: coarse grids and few seeds.
        published: with the known errors of the published protocol.

    Raises ValueError for a name that there is none of.
    """
    for name in names:
        if name not in STUDIES:
            raise ValueError(f"study {name!r}: there is none; {nearest(name, STUDIES)}")
    chosen = [name for name in STUDIES if (name in names if names else name not in LONG)]
    return {name: STUDIES[name](quick, published) for name in chosen}


def _gaussian(quick: bool, published: bool) -> Study:
    del published
    dims, samples = ((10,), _FEW_SAMPLES) if quick else ((1, 3, 10, 31, 100), SAMPLES)
    return Study(
        "Gaussians",
        "replace diverges, accumulate stays bounded, accumulate-subsample lies between",
        f"{_NO_ERRORS} (the covariance divided by n, determinants as logarithms)",
        {f"dim={dim}": Sweep(Gaussian(dim), samples, 100) for dim in dims},
        num_seeds=200 if quick else 100,
        seconds=20 if quick else 100,
    )


def _shapes(quick: bool, published: bool) -> dict[str, Source]:
    """The sources of the density estimates, each of which is compiled on its own."""
    shapes = {
        "blobs": sources.blobs(shared_centres=not published),
        "moons": sources.moons(noise=0.05),
        "circles": sources.circles(noise=0.05),
        "swiss_roll": sources.swiss_roll(noise=0.05),
    }
    if not quick:
        return shapes
    one = "blobs" if published else "moons"  # blobs have the published error, and moons exact slopes to compare with
    return {one: shapes[one]}


def _shapes_form(quick: bool, published: bool) -> str:
    if published:
        return "as published: training and held-out rows of blobs have different centres"
    if quick:
        return f"{_NO_ERRORS} but for blobs, which are left out"
    return "corrected: training and held-out rows of blobs have the same centres"


def _kde(quick: bool, published: bool) -> Study:
    widths, samples = ((0.1, 0.5), (10, 32, 100)) if quick else ((0.1, 0.5, 1.0), SAMPLES)
    return Study(
        "Density estimates of fixed bandwidth",
        "replace diverges, accumulate-subsample lies between, and accumulate, too, degrades: slowly, like log t",
        _shapes_form(quick, published),
        {name: Sweep(KDE(source, list(widths)), samples, 100) for name, source in _shapes(quick, published).items()},
        num_seeds=20 if quick else 100,
        seconds=15 if quick else 300,
    )


def _kde_bandwidth(quick: bool, published: bool) -> Study:
    widths = [0.01, 0.1, 1.0, 10.0] if quick else [10 ** (place / 2) for place in range(-4, 5)]
    return Study(
        "Density estimates: which bandwidth is best",
        "small bandwidths are best for the first model and worst for late ones; no fixed bandwidth avoids degradation",
        _shapes_form(quick, published),
        {
            name: Sweep(KDE(source, widths), (32,) if quick else SAMPLES, 100 if quick else 1000)
            for name, source in _shapes(quick, published).items()
        },
        num_seeds=20 if quick else 100,
        seconds=20 if quick else 2400,
    )


def _kde_estimated(quick: bool, published: bool) -> Study:
    rules = ["scott", "silverman"] if published else ["scott-scaled", "silverman-scaled"]
    form = "as published: the rules ignore the scale" if published else "corrected: the rules have the data's scale"
    if published or not quick:  # else there are moons alone
        form = f"{form}; {_shapes_form(quick, published)}"
    return Study(
        "Density estimates: bandwidths by a rule",
        "a bandwidth that shrinks fast enough avoids degradation; scott and silverman are the same in two dimensions",
        form,
        {
            name: Sweep(KDE(source, rules), (32,) if quick else SAMPLES, 100 if quick else 1000)
            for name, source in _shapes(quick, published).items()
        },
        num_seeds=20 if quick else 100,
        seconds=60 if quick else 260_000,
    )


def _regression(quick: bool, published: bool) -> Study:
    dims, samples = ((3,), _FEW_SAMPLES) if quick else ((1, 3, 10, 32, 100), SAMPLES)
    noises = [0.1, 10.0] if quick else [0.1, 1.0, 10.0]
    return Study(
        "Linear regression",
        "replace diverges, accumulate stays bounded, accumulate-subsample lies between",
        "as published: one design for all batches" if published else "corrected: a new design for every batch",
        {f"dim={dim}": Sweep(LinearRegression(dim, noises, not published), samples, 100) for dim in dims},
        num_seeds=100,
        seconds=20 if quick else 400,
    )


def _discrete(quick: bool, published: bool) -> Study:
    del published
    powers = [10**power for power in range(1, 6)]
    outcomes, samples = ((2, 10), _FEW_SAMPLES) if quick else (powers, powers)
    times = {f"num_outcomes={number}": Collapse(number, samples) for number in outcomes}
    losses = {
        f"losses-num_outcomes={number}": Sweep(Categorical(number), samples, 100, ("replace",))
        for number in (() if quick else outcomes)
    }
    return Study(
        "Discrete distributions",
        "under replace outcomes are lost until one is left, after a time in proportion to n",
        f"{_NO_ERRORS}, but for a loop without end under accumulate, which is left out",
        times | losses,
        num_seeds=100,
        seconds=20 if quick else 2000,
    )


def _transformer(quick: bool, published: bool) -> Study:
    del published
    task = Transformer(_text(), num_steps=150 if quick else 400)
    return Study(
        "Language models",
        "pretrained anew on synthetic text, models lose under replace, and hardly under accumulate",
        "smaller than published: 27 thousand parameters, Python's docstrings instead of TinyStories",
        {"text": Sweep(task, (128,) if quick else (64, 256, 1024), 5 if quick else 20)},
        num_seeds=2 if quick else 100,
        seconds=90 if quick else 12_000,
    )


def _value(quick: bool, published: bool) -> Study:
    del published
    real = (10, 100, 1000) if quick else SAMPLES
    synthetic = (10, 100, 1000) if quick else (10, 32, 100, 316, 1000, 3162)
    rows = dict(num_real=real, num_synthetic=synthetic, teacher_rows=1000)
    widths = (0.05, 0.1, 0.2, 0.4) if quick else (0.025, 0.05, 0.1, 0.2, 0.4, 0.8)
    num_real, num_synthetic = ((32, 256), (64, 256)) if quick else ((32, 64, 256, 1024), (64, 256, 1024, 4096))
    text = dict(num_real=num_real, num_synthetic=num_synthetic)
    steps = (50, 100, 200) if quick else (25, 50, 100, 200, 400, 800)
    kde, transformer = KDE(sources.moons(noise=0.05), 0.1), Transformer(_text())
    makers: dict[str, Callable[[str], Value]] = {
        "gaussian": lambda generator: Value(Gaussian(3), generator=generator, **rows),
        "kde": lambda generator: Value(kde, generator=generator, tune={"bandwidth": widths}, **rows),
        "transformer": lambda generator: Value(
            transformer, generator=generator, teacher_rows=512 if quick else 4096, tune={"num_steps": steps}, **text
        ),
    }
    return Study(
        "The value of synthetic data",
        "with little real data a moderate amount of synthetic data lowers the loss; with much, any raises it",
        "corrected: bandwidths and training steps are tuned in every cell, real data alone included",
        {f"{name}-{generator}": make(generator) for name, make in makers.items() for generator in ("self", "teacher")},
        num_seeds=10 if quick else 100,
        seconds=240 if quick else 40_000,
    )


def _real_share(quick: bool, published: bool) -> Study:
    del published
    weights = (0.03, 0.3) if quick else (0.01, 0.03, 0.1, 0.3, 0.5)
    samples = SAMPLES if quick else (10, 18, 32, 56, 100, 178, 316, 562, 1000)
    mixed = (*(Weighted(weight) for weight in weights), Augment())
    return Study(
        "How much real data keeps the loss bounded",
        "accumulate's share of real data falls like 1 / t, and yet its loss stays bounded",
        "no study of the paper's, which shows the share of real data alone",
        {
            "fixed-share": Sweep(Gaussian(3), (100,), 100, mixed),
            "fresh-data": Sweep(Gaussian(3), samples, 100, (FreshData(10),)),
            "accumulate": Sweep(Gaussian(3), (100,), 100, ("accumulate",)),
        },
        num_seeds=1000,
        seconds=20 if quick else 40,
    )


STUDIES: dict[str, Callable[[bool, bool], Study]] = {
    "gaussian": _gaussian,
    "kde": _kde,
    "kde-bandwidth": _kde_bandwidth,
    "kde-estimated": _kde_estimated,
    "regression": _regression,
    "discrete": _discrete,
    "transformer": _transformer,
    "value": _value,
    "real-share": _real_share,
}
LONG = ("kde-bandwidth", "kde-estimated", "transformer", "value")  # run by name only
