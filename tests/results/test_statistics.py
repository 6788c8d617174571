import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from collapsejax.results.dataset import summarize
from collapsejax.results.sketch import BINS, MOMENTS, Sketch, merge, reduce, window
from collapsejax.results.statistics import QUANTILES, STATISTICS, exact_statistics, mean_and_standard_error, statistics

SEEDS = 4000


def values():
    """(S, 9): signed, over many decades, tiny, all alike, zeros, with infinities, all infinite, NaN, and rare signs."""
    rng = np.random.default_rng(20240615)
    normal = rng.normal(size=SEEDS)
    columns = [
        normal,
        np.exp(8 * normal),
        1e-30 * np.exp(normal),
        np.ones(SEEDS),
        np.where(rng.random(SEEDS) < 0.4, 0.0, normal),
        np.where(rng.random(SEEDS) < 0.3, -np.inf, normal),
        np.full(SEEDS, np.inf),
        np.where(rng.random(SEEDS) < 0.01, np.nan, normal),
        np.where(np.arange(SEEDS) == 7, -1e-8, np.abs(normal)),
    ]
    return np.stack(columns, axis=1).astype(np.float32)


_reduce = jax.jit(reduce, static_argnames="block")


def reduced(metrics, valid, block=2**16):
    """The sketches, (K, m) of them, of metrics (K, m, S, G)."""
    with jax.enable_x64(True):
        sketch = _reduce([jnp.asarray(metric) for metric in metrics], jnp.asarray(valid), block=block)
    return Sketch(*map(np.asarray, sketch))


def sketch_of(block, room=None):
    """The sketch of (S, G) values, computed with room for more seeds, which do not count."""
    room = room or len(block)
    padded = np.resize(block, (room, *block.shape[1:]))
    sketch = reduced(padded[None, None], (np.arange(room) < len(block))[None])
    return Sketch(*(leaf[0, 0] for leaf in sketch))


@pytest.mark.parametrize("cuts", [[1], [1, 2, 3], [1000, 1001, 3000], [3999], list(range(500, 4000, 500))])
def test_any_chunking_gives_the_same(cuts):
    whole = sketch_of(values())
    parts = [sketch_of(part, room=4000) for part in np.split(values(), cuts)]
    for order in (parts, parts[::-1]):
        merged = functools.reduce(merge, order)
        np.testing.assert_array_equal(merged.counts, whole.counts)
        np.testing.assert_allclose(statistics(merged), statistics(whole), rtol=1e-12, atol=1e-300)


def two_rows():
    """Two metrics (2, 2, S, 9) in two rows, and which of their seeds count."""
    rng = np.random.default_rng(2)
    rows = np.stack([values(), rng.permutation(values())])
    return np.stack([rows, -rows]), rng.random((2, SEEDS)) < 0.7


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_blocks_change_nothing(dtype):
    """Blocks of 16 seeds, and of 999, of which the last is nearly empty, against one of all seeds."""
    metrics, valid = two_rows()
    columns = metrics.size // SEEDS
    whole = reduced(metrics.astype(dtype), valid, block=metrics.size)
    for width in (16, 999):
        blocks = reduced(metrics.astype(dtype), valid, block=width * columns)
        np.testing.assert_array_equal(blocks.counts, whole.counts)
        for name in {*MOMENTS} - {"mean", "m2", "mean_log", "m2_log"}:
            np.testing.assert_array_equal(blocks[name], whole[name])
        np.testing.assert_allclose(blocks.moments, whole.moments, rtol=1e-12, atol=1e-300)


def test_each_row_has_sketches_of_its_own():
    metrics, valid = two_rows()
    sketches = reduced(metrics, valid)
    for metric, row in np.ndindex(2, 2):
        alone = sketch_of(metrics[metric, row][valid[row]], room=SEEDS)
        np.testing.assert_array_equal(sketches.counts[metric, row], alone.counts)
        np.testing.assert_allclose(sketches.moments[metric, row], alone.moments, rtol=1e-12, atol=1e-300)


def test_counts_are_those_of_a_histogram():
    """NumPy's, of the bit patterns, from the window that the sketch tells of."""
    sketch = sketch_of(values())
    for side, (name, sign) in enumerate((("positive", 1), ("negative", -1))):
        low, level = window(sketch, name)
        for column, numbers in enumerate(sign * values().T):
            patterns = numbers[np.isfinite(numbers) & (numbers > 0)].view(np.int32)
            bins = (patterns >> level[column]) - (low[column] >> level[column])
            np.testing.assert_array_equal(sketch.counts[side, column], np.bincount(bins, minlength=BINS))


def test_parts_of_unlike_widths_are_merged():
    """Windows that are shifted, up to 20 levels finer, or empty: each part in turn is the wider one."""
    rng = np.random.default_rng(3)
    scales = np.array([0, 1e-7, 1e-5, 1e-3, 0.1, 1, 5, 15])
    parts = [np.exp(rng.normal(size=8) + rng.normal(size=(50, 8)) * rng.permutation(scales)) for _ in range(6)]
    parts = [(part * rng.choice([1, -1], size=8)).astype(np.float32) for part in parts]
    merged, whole = functools.reduce(merge, map(sketch_of, parts)), sketch_of(np.concatenate(parts))
    np.testing.assert_array_equal(merged.counts, whole.counts)


def test_merging_is_associative():
    a, b, c = (sketch_of(part, room=4000) for part in np.split(values(), [900, 1000]))
    left, right = merge(merge(a, b), c), merge(a, merge(b, c))
    np.testing.assert_array_equal(left.counts, right.counts)
    np.testing.assert_allclose(statistics(left), statistics(right), rtol=1e-12, atol=1e-300)


def exact():
    return summarize(xr.DataArray(values(), dims=("seed", "generation")))


def test_statistics_are_those_of_the_values():
    table = dict(zip(STATISTICS, statistics(sketch_of(values())), strict=True))
    for name in STATISTICS:
        if name not in QUANTILES:
            np.testing.assert_allclose(table[name], exact().sel(statistic=name), rtol=1e-9, err_msg=name)


@pytest.mark.parametrize("table_of", [exact_statistics, lambda block: statistics(sketch_of(block))])
def test_statistics_are_those_of_numpy(table_of):
    """Of few seeds, so that a division by S in place of S - 1 is an error of a seventh."""
    numbers = np.exp(np.random.default_rng(5).normal(size=(7, 3))).astype(np.float32)
    table = dict(zip(STATISTICS, table_of(numbers), strict=True))
    numbers = numbers.astype(np.float64)
    variance = np.var(numbers, axis=0, ddof=1)
    expected = {
        "count": [7, 7, 7],
        "mean": np.mean(numbers, axis=0),
        "standard_error": np.sqrt(variance / 7),
        "variance": variance,
        "min": np.min(numbers, axis=0),
        "max": np.max(numbers, axis=0),
        "mean_log": np.mean(np.log(numbers), axis=0),
        "variance_log": np.var(np.log(numbers), axis=0, ddof=1),
    }
    for name, wanted in expected.items():
        np.testing.assert_allclose(table[name], wanted, rtol=1e-12, err_msg=name)


def test_variances_of_logarithms_need_positive_values():
    table = dict(zip(STATISTICS, exact_statistics(np.array([[1.0, 1.0], [2.0, -2.0], [4.0, 4.0]])), strict=True))
    np.testing.assert_allclose(table["variance_log"], [np.log(2) ** 2, np.nan])


def test_means_and_standard_errors_are_of_the_finite_values():
    """Of arrays with the seeds last, and of labelled ones with the seeds anywhere."""
    nan, inf = np.nan, np.inf
    numbers = np.array([[1.0, 2.0, 6.0], [1.0, inf, 3.0], [nan, -inf, 2.0], [nan, nan, inf]])
    for mean, standard_error in (
        mean_and_standard_error(numbers),
        mean_and_standard_error(xr.DataArray(numbers.T, dims=("seed", "generation"))),
    ):
        np.testing.assert_allclose(mean, [3.0, 2.0, 2.0, nan])
        np.testing.assert_allclose(standard_error, [np.sqrt(7 / 3), 1.0, nan, nan])
    assert mean.dims == standard_error.dims == ("generation",)
    # In double precision, whatever that of the values is.
    mean, standard_error = mean_and_standard_error(np.float32([1000.0, 1000.001]))
    assert standard_error == pytest.approx((np.float32(1000.001) - 1000.0) / 2)


def test_quantiles_are_within_the_documented_error():
    """Relative error 2 R / (BINS - 1) over R octaves; half of that would be exceeded: the bound is not an idle one."""
    table = dict(zip(STATISTICS, statistics(sketch_of(values())), strict=True))
    worst = 0.0
    for column, numbers in enumerate(values().T):
        finite = np.abs(numbers[np.isfinite(numbers) & (numbers != 0)])
        octaves = np.log2(finite.max() / finite.min()) if len(finite) else 0.0
        bound = 2 * (octaves + 1) / (BINS - 1)
        for name in QUANTILES:
            wanted, found = float(exact().sel(statistic=name)[column]), table[name][column]
            if not np.isfinite(wanted) or wanted == 0:
                assert found == wanted
            else:
                assert abs(found / wanted - 1) <= bound
                worst = max(worst, abs(found / wanted - 1) / bound)
    assert worst > 0.05


def test_quantiles_agree_with_numpy():
    numbers = np.random.default_rng(0).normal(size=(101, 3))
    summary = summarize(xr.DataArray(numbers, dims=("seed", "generation")))
    for name, share in QUANTILES.items():
        np.testing.assert_allclose(summary.sel(statistic=name), np.quantile(numbers, share, axis=0))


def test_moments_of_many_nearly_equal_values():
    """A mean of 1000 and a standard deviation of 0.01: single-precision sums would lose the variance."""
    numbers = (1000 + 0.01 * np.random.default_rng(1).normal(size=(50000, 1))).astype(np.float32)
    parts = [sketch_of(part) for part in np.split(numbers, 5)]
    table = dict(zip(STATISTICS, statistics(functools.reduce(merge, parts)), strict=True))
    assert table["variance"][0] == pytest.approx(numbers.astype(np.float64).var(ddof=1), rel=1e-9)
    assert table["mean"][0] == pytest.approx(numbers.astype(np.float64).mean(), rel=1e-12)


def test_subnormal_numbers_are_zeros():
    """Devices do not agree on them: here they count as zeros in all that a sketch says."""
    tiny = np.array([[1e-45, -1e-42, 1e-39], [-0.0, 1e-38, 2.0]], np.float32)
    assert np.all(tiny[0] != 0)
    zeros = sketch_of(np.array([[0, 0, 0], [0, 0, 2]], np.float32))
    for leaf, wanted in zip(sketch_of(tiny), zeros, strict=True):
        np.testing.assert_array_equal(leaf, wanted)


def test_infinite_values_are_counted_apart():
    block = np.array([[1.0, -np.inf, -np.inf], [3.0, 2.0, -np.inf], [8.0, 4.0, -np.inf]], np.float32)
    for summary in (
        summarize(xr.DataArray(block, dims=("seed", "generation"))),
        xr.DataArray(
            statistics(sketch_of(block)), dims=("statistic", "generation"), coords={"statistic": list(STATISTICS)}
        ),
    ):
        np.testing.assert_allclose(summary.sel(statistic="mean"), [4.0, 3.0, -np.inf])
        np.testing.assert_allclose(summary.sel(statistic="standard_error"), [np.sqrt(13 / 3), 1.0, np.nan])
        np.testing.assert_allclose(summary.sel(statistic="median"), [3.0, 2.0, -np.inf], rtol=2e-3)
        np.testing.assert_allclose(summary.sel(statistic="num_infinite"), [0, 1, 3])
        np.testing.assert_allclose(summary.sel(statistic="count"), [3, 3, 3])
        np.testing.assert_allclose(summary.sel(statistic="mean_log")[0], np.log([1, 3, 8]).mean())
