"""Samplers of counts: binomial, hypergeometric, multinomial, multivariate hypergeometric, and Poisson.

Counts are float32 whole numbers, exact up to 2**24; every parameter may be traced, and all elements of an array are
drawn at once. Two samplers serve both laws. Below a mean of 8 a uniform is inverted by adding up probabilities from 0
on. Above, the ratio of uniforms for discrete laws (Stadlober 1990, J. Comput. Appl. Math. 31, 181) is tried until the
last element is accepted. It needs the logarithm of the pmf, up to a constant, to some 1e-5 where the counts are
millions and their log-factorials 1e8. With y = x + 1/2 and F(y) = y log y - y,

    log x! = F(y) + s(y) + log(2 pi) / 2,    s(y) about -1 / (24 y).

Let c be the stationary point of the sum of F over the cells of the law (x and n - x; or the four of a two-by-two
table) less what is linear in x. About it F(y) = F(c) + (y - c) log c + D(y, c), D(y, c) = y log(y / c) - (y - c) >= 0,
and the terms with log c cancel. So log pmf = constant - sum D - sum s, where nothing is large unless the pmf is small.
D is taken from y - c, the same in all cells but for the sign, after Loader (2000), "Fast and accurate computation of
binomial probabilities". For n draws with probability p the points c are (n + 1) p and (n + 1) (1 - p); for a table they
are products of margins, each with 1 added, over the total with 2 added.

Probabilities have the errors of float32: the mean is right to some 1e-7 of itself, a probability to 1e-6.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..core.base import Array
from .random import normal
from .threefry import Stream

_LARGEST_SUM = 8.0  # mean up to which probabilities are added up: steps are cheap, but as many as the count
_NO_CHANCE = 1e-10  # a tail below this is the rounding of 1 minus a sum
_LARGEST_OF_JAX = 2.0**16  # mean up to which `jax.random.poisson` has its variance to 0.1 %; at 1e6 it is 2.5 % off


class _Law(NamedTuple):
    """A law on 0 ... top, so reflected that its mean is at most top / 2, by what the two samplers need.

    `ratio(x)` is pmf(x + 1) / pmf(x); `cells(x)` are the counts whose factorials the pmf divides by, with the signs of
    x in them, and `centres` their points c.
    """

    mean: Array
    variance: Array
    top: Array
    log_pmf_at_0: Array
    ratio: Callable[[Array], Array]
    cells: Callable[[Array], tuple[Array, ...]]
    signs: tuple[int, ...]
    centres: tuple[Array, ...]


def poisson(key: Array, mean: Array, shape: tuple[int, ...] = ()) -> Array:
    """Poisson counts (shape) of this mean (), in float32; `key` is one of JAX's own.

    Above a mean of 2^16 each is made of a normal, by the expansion of Cornish and Fisher (1938, Revue de l'Institut
    International de Statistique 5, 307) as far as terms of the size of mean^(-1/2). The next is below 1e-5 of a count.
    """
    large = jnp.maximum(mean, _LARGEST_OF_JAX)
    z = normal(jax.random.fold_in(key, 1), shape)
    counts = large + jnp.sqrt(large) * z + (z**2 - 1) / 6 + (z - z**3) / (72 * jnp.sqrt(large))
    few = jax.random.poisson(key, jnp.minimum(mean, _LARGEST_OF_JAX), shape).astype(float)
    return jnp.where(mean > _LARGEST_OF_JAX, jnp.round(counts), few)


def binomial(key: Array, n: Array, p: Array) -> Array:
    """Successes in n trials of probability p, elementwise: n whole numbers up to 2**24, p in [0, 1], equal shapes."""
    n, p = jnp.asarray(n, dtype=float), jnp.asarray(p, dtype=float)
    x = _binomial(Stream.of(key), n, jnp.minimum(p, 1 - p))
    return jnp.where(p > 0.5, n - x, x)


def hypergeometric(key: Array, good: Array, bad: Array, draws: Array) -> Array:
    """Good items among `draws` <= good + bad drawn without replacement, elementwise: whole numbers up to 2**24."""
    good, bad, draws = (jnp.asarray(value, dtype=float) for value in (good, bad, draws))
    return _hypergeometric(Stream.of(key), draws, good, bad)


def multinomial(key: Array, n: Array, weights: Array) -> Array:
    """Counts (K,) of n draws with probabilities proportional to `weights` (K,) >= 0, not all of them 0.

    `n` is a whole number up to 2**24, and may be traced. An outcome of weight 0 is never drawn, and the probability of
    each outcome has a relative error of some 1e-6, however small it is.
    """

    def split(stream: Stream, draws: Array, left: Array, right: Array) -> Array:
        total = left + right
        # The smaller share, not 1 minus the larger one, which would lose a rare outcome.
        x = _binomial(stream, draws, jnp.minimum(left, right) / jnp.where(total > 0, total, 1.0))
        return jnp.where(right < left, draws - x, x)

    return _tree(key, n, weights, split)


def multivariate_hypergeometric(key: Array, counts: Array, n: Array) -> Array:
    """Counts (K,) of n draws without replacement from `counts` (K,), whole numbers of sum >= n and up to 2**24.

    `n` may be traced; n equal to the sum gives `counts`.
    """
    return _tree(key, n, counts, _hypergeometric)


def _tree(key: Array, n: Array, weights: Array, split: Callable[[Stream, Array, Array, Array], Array]) -> Array:
    """Counts (K,) of n draws, split between the halves of the outcomes, then between their halves, and so on."""
    weights = jnp.asarray(weights, dtype=float)
    num_outcomes = weights.shape[0]
    depth = (num_outcomes - 1).bit_length()
    if depth == 0:
        return jnp.asarray(n, dtype=float)[None]
    # A heap from place 1 on. The children of node i of a level of m nodes are nodes i and i + m of the next level, so a
    # run of nodes has its children in two runs, which are slices, and leaf k is outcome k.
    levels = [jnp.pad(weights, (0, 2**depth - num_outcomes))]
    while levels[-1].shape[0] > 1:
        half = levels[-1].shape[0] // 2
        levels.append(levels[-1][:half] + levels[-1][half:])
    sums = jnp.concatenate([jnp.zeros_like(levels[-1]), *reversed(levels)])
    # One loop over runs of a fixed width, so that a single body is compiled: the width is the square root of the last
    # level's, which wastes little on the first levels and takes few steps in the last ones.
    width = 2 ** ((depth - 1) // 2)
    starts = [2**level for level in range(width.bit_length() - 1)] + list(range(width, 2**depth, width))
    sizes = [2 ** (start.bit_length() - 1) for start in starts]
    stream = Stream.of(key)

    def split_run(counts: Array, run: tuple[Array, Array]) -> tuple[Array, None]:
        start, size = run
        lefts, rights = start + size, start + 2 * size

        def read(heap: Array, place: Array) -> Array:
            return jax.lax.dynamic_slice_in_dim(heap, place, width)

        # A level may be shorter than the run: what is written behind it is overwritten by its own parents later.
        draws = jnp.where(jnp.arange(width) < size, read(counts, start), 0.0)
        left = split(stream._replace(start=start.astype(jnp.uint32)), draws, read(sums, lefts), read(sums, rights))
        counts = jax.lax.dynamic_update_slice_in_dim(counts, left, lefts, axis=0)
        return jax.lax.dynamic_update_slice_in_dim(counts, draws - left, rights, axis=0), None

    root = jnp.where(jnp.arange(2 ** (depth + 1)) == 1, jnp.asarray(n, dtype=float), 0.0)
    counts, _ = jax.lax.scan(split_run, root, (np.array(starts, np.int32), np.array(sizes, np.int32)))
    return counts[2**depth : 2**depth + num_outcomes]


def _binomial(stream: Stream, n: Array, p: Array) -> Array:
    """As `binomial`, for p <= 1/2."""
    odds = p / (1 - p)
    law = _Law(
        mean=n * p,
        variance=n * p * (1 - p),
        top=n,
        log_pmf_at_0=n * jnp.log1p(-p),
        ratio=lambda x: (n - x) * (odds / (x + 1)),
        cells=lambda x: (x, n - x),
        signs=(1, -1),
        centres=((n + 1) * p, (n + 1) * (1 - p)),
    )
    return _draw(stream, law)


def _hypergeometric(stream: Stream, draws: Array, good: Array, bad: Array) -> Array:
    """As `hypergeometric`: of the table's margins the smaller ones are sampled.

    The pmf at 0 is a second difference of log-factorials, (m + g)! (m + k)! / (m! (m + g + k)!) with m neither good nor
    drawn; in F and s of the module it is a sum of logarithms near 1 in which no large terms cancel.
    """
    kept = (good - draws) + bad  # in this order exact whenever it is the smaller one
    few, many = jnp.minimum(good, bad), jnp.maximum(good, bad)
    taken, left = jnp.minimum(draws, kept), jnp.maximum(draws, kept)
    neither = many - taken
    corner, whole = neither + 0.5, neither + few + taken + 0.5
    log_pmf_at_0 = (
        corner * jnp.log1p(few / corner * (taken / whole))
        + taken * jnp.log1p(-few / whole)
        + few * jnp.log1p(-taken / whole)
        + (_stirling(many + 0.5) + _stirling(left + 0.5) - _stirling(corner) - _stirling(whole))
    )
    size = jnp.maximum(few + many, 1.0)
    mean = taken * (few / size)
    rows, columns = (few + 1, many + 1), ((taken + 1) / (size + 2), (left + 1) / (size + 2))
    law = _Law(
        mean=mean,
        variance=mean * (many / size) * (left / jnp.maximum(size - 1, 1.0)),
        top=jnp.minimum(few, taken),
        log_pmf_at_0=log_pmf_at_0,
        ratio=lambda x: (few - x) * (taken - x) / ((x + 1) * (neither + x + 1)),
        cells=lambda x: (x, few - x, taken - x, neither + x),
        signs=(1, -1, -1, 1),
        centres=tuple(row * column for row in rows for column in columns),
    )
    x = _draw(stream, law)
    x = jnp.where(bad < good, taken - x, x)
    return jnp.where(kept < draws, good - x, x)


def _draw(stream: Stream, law: _Law) -> Array:
    small = law.mean <= _LARGEST_SUM
    return jnp.where(small, _add_up(stream, law, small), _ratio_of_uniforms(stream, law, law.mean > _LARGEST_SUM))


def _add_up(stream: Stream, law: _Law, wanted: Array) -> Array:
    """The number of x with uniform < P(X > x): small chances are small numbers, which floats resolve."""
    uniform, _ = stream.uniforms(jnp.int32(0), law.mean.shape)
    start = jnp.where(wanted, law.log_pmf_at_0, 0.0)

    def larger(x: Array, pmf: Array, above: Array) -> Array:
        return (uniform < above) & (x < law.top) & ((pmf > _NO_CHANCE) | (x < law.mean))

    def step(carry: tuple[Array, ...]) -> tuple[Array, ...]:
        x, found, pmf, above = carry
        found = found + larger(x, pmf, above)
        pmf = pmf * law.ratio(x)
        return x + 1, found, pmf, above - pmf

    carry = (jnp.zeros_like(law.mean, shape=()), jnp.zeros_like(law.mean), jnp.exp(start), -jnp.expm1(start))
    return jax.lax.while_loop(lambda carry: jnp.any(larger(carry[0], *carry[2:])), step, carry)[1]


def _ratio_of_uniforms(stream: Stream, law: _Law, wanted: Array) -> Array:
    base = jnp.floor(law.mean)
    middle = law.mean - base + 0.5
    width = _hat_width(law.variance)
    centres = tuple(jnp.maximum(centre, 1e-30) for centre in law.centres)  # unwanted elements may have 0
    # Counts are taken from the whole number below the mean: differences keep the digits that the counts have lost.
    to_centre = base + 0.5 - centres[0]

    def log_pmf(step: Array) -> Array:
        away = step + to_centre
        cells = zip(law.cells(base + step), law.signs, centres, strict=True)
        terms = [_deviance(x + 0.5, centre, sign * away) + _stirling(x + 0.5) for x, sign, centre in cells]
        return -sum(terms)

    log_pmf_at_mode = log_pmf(jnp.floor(centres[0]) - base)

    def attempt(carry: tuple[Array, ...]) -> tuple[Array, ...]:
        tries, accepted, x = carry
        across, up = stream.uniforms(tries, base.shape)
        proposed = jnp.floor(middle + width * (across - 0.5) / up)
        step = jnp.clip(proposed, -base, law.top - base)
        below = 2 * jnp.log(up) <= log_pmf(step) - log_pmf_at_mode
        new = ~accepted & (step == proposed) & below
        return tries + 1, accepted | new, jnp.where(new, base + step, x)

    start = (jnp.int32(1), ~wanted, jnp.zeros_like(base))
    return jax.lax.while_loop(lambda carry: ~jnp.all(carry[1]), attempt, start)[2]


def _hat_width(variance: Array) -> Array:
    """Stadlober's: about mean + 1/2 it covers binomial and hypergeometric laws."""
    return 2 * np.sqrt(2 / np.e) * jnp.sqrt(variance + 0.5) + (3 - 2 * np.sqrt(3 / np.e))


def _deviance(y: Array, centre: Array, away: Array) -> Array:
    """D(y, centre) with away = y - centre: near 0 a series in away / (y + centre), as Loader's."""
    v = away / (y + centre)
    square = v**2
    series = away * v + 2 * y * v * square * (1 / 3 + square * (1 / 5 + square * (1 / 7 + square / 9)))
    return jnp.where(jnp.abs(v) < 0.15, series, y * jnp.log(y / centre) - away)


def _stirling(y: Array) -> Array:
    """s(y) at y = 1/2, 3/2, ...: a rational function of the asymptotic form, exact at the first four, then to 1e-9."""
    square = y**2
    above = square * (square + 0.90083406) + 0.05753677
    return -above / (24 * y * (square * (square + 0.95915697) + 0.09528504))
