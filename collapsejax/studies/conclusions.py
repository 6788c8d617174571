"""Of each study, what this run found beside what the paper did."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import xarray as xr

from ..experiments.synthetic_value import value_table
from ..theory.outcomes import fixation_time_asymptote
from .findings import (
    Finding,
    Number,
    count_above,
    factors,
    growth,
    levelled,
    number,
    of_cells,
    order,
    plateau,
    rises,
    slopes,
)

Datasets = Mapping[str, xr.Dataset]

_CLEAR = 3.0  # standard errors by which a difference is counted as one
_NEAR = 0.2


def _last(datasets: Datasets) -> int:
    return max(dataset.sizes.get("generation", 0) for dataset in datasets.values())


def _gaussian(datasets: Datasets, exact: Datasets) -> Finding:
    grown = growth(list(datasets.values()), "mean_sq_error", ratio=True)
    late = growth(list(datasets.values()), "mean_sq_error", ratio=True, since=_last(datasets) // 2 - 1)
    errors, expected, dims = 0.0, 0.0, 0
    for name, dataset in datasets.items():
        scaled, known, sizes = plateau(dataset, exact[name])
        many = sizes >= sizes.max() / 10  # where n times the error is near its limit
        errors, expected = errors + scaled[many].mean(axis=0), expected + known[many].mean()
        dims += int(name.partition("=")[2])
    label = f"accumulate, iteration {_last(datasets)}: n (error of the mean)^2 / (d sigma2); limit pi^2/6 = 1.645"
    level = number(label, errors / dims, expected / dims)
    sentence = (
        f"{_capital(order(grown))}; {levelled(late)}; the plateau n (error)^2 / (d sigma2) of accumulate is {level}, "
        f"by theory {level.exact:.4g} (for ever more samples and generations pi^2/6 = 1.645)"
    )
    return Finding(sentence, [level, *factors(grown, "error of the mean")])


def _kde(datasets: Datasets, exact: Datasets) -> Finding:
    grown = growth(list(datasets.values()), "test_nll", ratio=False)
    first = max(2, _last(datasets) // 10)
    rising = np.concatenate([slopes(one.test_nll.sel(workflow="accumulate"), first) for one in datasets.values()])
    up, clearly = count_above(rising, np.zeros_like(rising))
    wider, numbers = [], []
    for name, dataset in datasets.items():
        spread = slopes(dataset.cov_trace_ratio.sel(workflow="accumulate"), first)
        wider.append(spread)
        label = f"accumulate, {name}, t >= {first}: slope against log t of the variance of the estimate"
        known = exact[name].get("cov_trace_ratio")
        if known is None:
            numbers.append(number(f"{label} over the true one", spread.mean(axis=0)))
        else:
            # Theory's slopes are of the size of the squared bandwidth: what has the least error weighs most.
            known = slopes(known.sel(workflow="accumulate").expand_dims("seed"), first)[:, 0]
            weights = known / spread.var(axis=1)
            numbers.append(number(f"{label}, over theory's slope", weights @ spread / (weights @ known), 1.0))
    widened, _ = count_above(np.concatenate(wider), np.zeros_like(rising))
    numbers.sort(key=lambda one: one.exact is None)
    sentence = (
        f"{_capital(order(grown))}; under accumulate the estimate's variance rose against log t in {widened} of "
        f"{len(rising)} cells, and its loss in {up} (clearly in {clearly}), falling in the others"
    )
    return Finding(sentence, [*numbers, *rises(grown, "nats a row")])


def _kde_bandwidth(datasets: Datasets, exact: Datasets) -> Finding:
    found = _kde(datasets, exact)
    moved, cells = 0, 0
    for dataset in datasets.values():
        best = dataset.test_nll.mean("seed").sel(workflow="replace").idxmin("bandwidth")
        moved += int((best.isel(generation=-1) != best.isel(generation=0)).sum())
        cells += best.isel(generation=0).size
    other = f"under replace the last model's best bandwidth is another than the first's in {moved} of {cells}"
    return Finding(f"{found.sentence}; {other} pairs of source and n", found.numbers)


def _kde_estimated(datasets: Datasets, exact: Datasets) -> Finding:
    del exact
    grown = growth(list(datasets.values()), "test_nll", ratio=False)
    numbers = rises(grown, "nats a row")
    apart = {
        name: float(np.abs(np.subtract(*dataset.test_nll.transpose("bandwidth", ...).values)).max())
        for name, dataset in datasets.items()
    }
    texts = [f"{name} {gap:.2g}" for name, gap in apart.items()]
    sentence = (
        f"{_capital(order(grown))}; the largest difference that scott and silverman made anywhere, in nats: "
        f"{', '.join(texts)}"
    )
    return Finding(sentence, numbers)


def _regression(datasets: Datasets, exact: Datasets) -> Finding:
    grown = growth(list(datasets.values()), "test_mse", ratio=True)
    late = growth(list(datasets.values()), "test_mse", ratio=True, since=_last(datasets) // 2 - 1)
    numbers = factors(grown, "test error")
    for name, dataset in datasets.items():
        dim = int(name.partition("=")[2])
        # Seeds' errors have a variance for n > d + 3 only, and mean something for few seeds well beyond.
        sizes = [n for n in dataset.num_samples.values if n >= 3 * dim + 10]
        scale = dataset.sigma2 * dim
        ours = dataset.test_mse.sel(num_samples=sizes).isel(generation=-1) / scale
        known = exact[name].test_mse.sel(num_samples=sizes).isel(generation=-1) / scale
        for workflow in ("replace", "accumulate"):
            values = of_cells((ours * dataset.num_samples).sel(workflow=workflow).expand_dims("generation", -1))
            expected = float((known * dataset.num_samples).sel(workflow=workflow).mean())
            label = f"{workflow}, {name}, last iteration: n (test error) / (d sigma2)"
            numbers.append(number(label, values[:, :, 0].mean(axis=0), expected))
    cells = sum(one.test_mse.sel(workflow="replace").isel(seed=0, generation=0).size for one in datasets.values())
    found = order(grown, cells - len(grown["replace"]))
    return Finding(f"{_capital(found)}; {levelled(late)}", numbers)


def _discrete(datasets: Datasets, exact: Datasets) -> Finding:
    del exact
    numbers, ratios = [], []
    for name, dataset in datasets.items():
        if "collapse_time" not in dataset:
            continue
        outcomes = int(name.partition("=")[2])
        for n in dataset.num_samples.values:
            own = dataset.sel(num_samples=n)
            leading = fixation_time_asymptote(np.full(outcomes, 1 / outcomes), int(n))
            known = float(own.exact) / leading
            ratios.append(own.collapse_time.values / leading)
            label = f"K = {outcomes}, n = {n}: time until one is left / (2n(K-1)ln(K/(K-1)))"
            numbers.append(number(label, ratios[-1], known if np.isfinite(known) else None))
    overall = number("all K and n: time until one is left / (2n(K-1)ln(K/(K-1)))", np.mean(ratios, axis=0))
    near = sum(abs(one.value - 1) < _NEAR for one in numbers)
    censored = sum(int(dataset.censored.sum()) for dataset in datasets.values() if "censored" in dataset)
    sentence = (
        f"The time until one outcome is left is {overall} times 2n(K-1)ln(K/(K-1)), and within {100 * _NEAR:.0f} % of "
        f"that in {near} of {len(numbers)} cells; {censored} seeds met the limit"
    )
    return Finding(sentence, [overall, *numbers])


def _transformer(datasets: Datasets, exact: Datasets) -> Finding:
    del exact
    grown = growth(list(datasets.values()), "test_loss", ratio=False)
    numbers = rises(grown, "nats a token")
    return Finding(_capital(order(grown)), numbers)


def _value(datasets: Datasets, exact: Datasets) -> Finding:
    del exact
    numbers, texts, verdicts = [], [], []
    for name, dataset in datasets.items():
        table = value_table(dataset)
        for real in table.num_real.values:
            row = table.sel(num_real=real)
            gain, se = float(row.best_difference), float(row.best_difference_se)
            clear = "" if gain < -_CLEAR * se or not row.best_num_synthetic else " (not clearly)"
            label = (
                f"{name}, {real} real rows: best with {int(row.best_num_synthetic)} synthetic{clear}, loss changed by"
            )
            numbers.append(Number(label, gain, se))
        verdicts.append(_verdict(table))
        agrees = "agrees" if all(verdicts[-1]) else "DISAGREES with the paper"
        texts.append(f"{name}: {_in_words(table, *verdicts[-1])} ({agrees})")
    helps, turns, hurts = (sum(verdict) for verdict in zip(*verdicts, strict=True))
    heading = (
        f"Of {len(datasets)} experiments {sum(map(all, verdicts))} agree with the paper in full: where real rows are "
        f"scarce synthetic ones help in {helps}, a moderate amount being best in {turns}; where they are ample any "
        f"amount hurts in {hurts}"
    )
    numbers.sort(key=lambda one: one.value / one.se if one.se else 0.0)
    return Finding(f"{heading}. {'; '.join(texts)}", numbers)


def _verdict(table: xr.Dataset) -> tuple[bool, bool, bool]:
    """Where real rows are scarce, whether synthetic ones help, and too many less so; where ample, whether any hurts."""
    scarce, ample = table.isel(num_real=0), table.isel(num_real=-1).sel(num_synthetic=table.num_synthetic > 0)
    best, most = scarce.best_num_synthetic, scarce.isel(num_synthetic=-1)
    helps = bool(scarce.best_difference < -_CLEAR * scarce.best_difference_se)
    # The two differences have real rows alone in common, so this standard error is too large rather than too small.
    apart = np.hypot(most.difference_se, scarce.best_difference_se)
    turns = helps and bool((best < most.num_synthetic) & (most.difference - scarce.best_difference > _CLEAR * apart))
    return helps, turns, bool((ample.difference > _CLEAR * ample.difference_se).all())


def _in_words(table: xr.Dataset, helps: bool, turns: bool, hurts: bool) -> str:
    ample, real = table.isel(num_real=-1), table.num_real.values
    helps_there = bool(ample.best_difference < -_CLEAR * ample.best_difference_se)
    few = "a moderate amount helps and more hurts" if turns else "the more the better" if helps else "none helps"
    many = "any hurts" if hurts else "it still helps" if helps_there else "none helps, and some do not hurt"
    return f"with {real[0]} real rows {few}, with {real[-1]} {many}"


def _real_share(datasets: Datasets, exact: Datasets) -> Finding:
    numbers = []
    for name, dataset in datasets.items():
        for workflow in dataset.workflow.values:
            one, known = dataset.mean_sq_error.sel(workflow=workflow), exact[name].mean_sq_error.sel(workflow=workflow)
            for n in dataset.num_samples.values:
                ours, theirs = one.sel(num_samples=n), known.sel(num_samples=n)
                scale = float(theirs.isel(generation=0))
                label = f"{workflow}, n = {n}: last error of the mean over that of n real rows"
                numbers.append(number(label, ours.isel(generation=-1) / scale, float(theirs[-1]) / scale))
    worst = max(numbers, key=lambda one: abs(one.z))
    named = {one.label.partition(",")[0]: one for one in numbers}
    lines = [f"{name} {one}" for name, one in named.items() if name != "fresh-data"]
    fresh = [one for one in numbers if one.label.startswith("fresh-data")]
    sentence = (
        f"The last error of the mean, in units of that of n real rows: {', '.join(lines)}; with 10 fresh rows beside n "
        f"synthetic ones from {fresh[0]} ({fresh[0].label.split(':')[0].split(', ')[1]}) to {fresh[-1]} "
        f"({fresh[-1].label.split(':')[0].split(', ')[1]}). The largest |z| against theory is {abs(worst.z):.1f}"
    )
    return Finding(sentence, numbers)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


CONCLUSIONS: dict[str, Callable[[Datasets, Datasets], Finding]] = {
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
