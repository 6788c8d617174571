"""Synthetic shapes with scikit-learn's parameters, as distributions: every row is drawn independently.

scikit-learn's make_moons and make_circles space the angles evenly and make_blobs gives each centre an equal share,
so n rows of theirs are no independent sample and small n has another mean and covariance than large n. Here rows are
independent whatever n is, and the two agree as n grows. For small n they differ: a kernel density estimate of bandwidth
0.1 that is fitted to 10 rows of moons has a mean held-out loss of 7 to 8 nats here, of which few seeds carry much, and
of 2.36 nats on evenly spaced rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from ..core.arguments import MOST_FEATURES, check_count, check_number, check_positive, check_spread
from ..core.base import Array, Source
from ..core.pytree import static
from ..numerics.random import normal, normal_log_density


def _check_noise(self: Any, num_samples: int) -> None:
    """`check` of a source with a standard deviation `noise`."""
    del num_samples
    check_spread("noise", self.noise)


_NODES = 512  # of a quadrature over half a circle
_LEAST_NOISE = 0.01  # for which these are close enough to one another


def _density_of_noisy(self: Any) -> Callable[[tuple[()], Array], Array] | None:
    """`log_density` of a curve with noise; None for a noise that leaves hardly any density."""
    known = isinstance(self.noise, jax.core.Tracer) or self.noise >= _LEAST_NOISE
    return (lambda real, values: _of_equally_likely(self.log_density_of_modes(real, values))) if known else None


def _cluster_log_densities(values: Array, centres: Array, noise: Array) -> Array:
    """Log-densities (n, k) in nats of rows (n, 2) in each of the clusters of variance noise^2 at `centres` (k, 2)."""
    square = sum((values[:, i, None] - centres[None, :, i]) ** 2 for i in range(2))
    return -square / (2 * noise**2) - jnp.log(2 * jnp.pi * noise**2)


def _of_equally_likely(log_densities: Array) -> Array:
    """Log-density (n,) of a mixture of equally likely parts, which have these (n, k)."""
    return jax.nn.logsumexp(log_densities, axis=1) - jnp.log(log_densities.shape[1])


class GaussianSource(Source):
    """N(0, sigma2 I_d).

    Args:
        dim: features of a row (d).
        sigma2: variance of each feature.
    """

    dim: int = static(default=1)
    sigma2: float = 1.0

    name: ClassVar[str] = "gaussian"
    paddable: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_count("dim", self.dim, most=MOST_FEATURES, why="whose square 32 bits can count")

    def check(self, num_samples: int) -> None:
        del num_samples
        check_positive("sigma2", self.sigma2)

    def sample(self, key: Array, real: tuple[()], n: int) -> Array:
        del real
        return jnp.sqrt(self.sigma2) * normal(key, (n, self.dim))

    sample_test = sample

    def moments(self, real: tuple[()]) -> tuple[Array, Array]:
        del real
        return jnp.zeros(self.dim), self.sigma2 * jnp.eye(self.dim)

    def log_density(self, real: tuple[()], values: Array) -> Array:
        del real
        return normal_log_density(values, jnp.full(self.dim, jnp.sqrt(self.sigma2)))


class Blobs(Source):
    """Three clusters of variance 1 in the plane, equally likely, their centres uniform on [-10, 10]^2 for each seed.

    Args:
        shared_centres: held-out rows have the centres of the others. False, as published: they have centres of their
            own, and curves measure the distance between the two.
    """

    shared_centres: bool = static(default=True)

    name: ClassVar[str] = "blobs"
    paddable: ClassVar[bool] = True
    dim: ClassVar[int] = 2

    def check(self, num_samples: int) -> None:
        del num_samples

    def init(self, key: Array) -> tuple[Array, Array]:
        """Centres of the rows to fit to and of the held-out rows, (3, 2) each."""
        k_train, k_test = jax.random.split(key)
        train = _centres(k_train)
        return train, train if self.shared_centres else _centres(k_test)

    def sample(self, key: Array, real: tuple[Array, Array], n: int) -> Array:
        return _blobs(key, real[0], n)

    def sample_test(self, key: Array, real: tuple[Array, Array], n: int) -> Array:
        return _blobs(key, real[1], n)

    def moments(self, real: tuple[Array, Array]) -> tuple[Array, Array]:
        mean = jnp.mean(real[0], axis=0)
        between = real[0] - mean[None, :]
        return mean, jnp.matmul(between.T, between, precision="highest") / 3 + jnp.eye(2)

    def log_density(self, real: tuple[Array, Array], values: Array) -> Array:
        return _of_equally_likely(self.log_density_of_modes(real, values))

    def log_density_of_modes(self, real: tuple[Array, Array], values: Array) -> Array:
        """Of rows in each cluster, (n, 3)."""
        return _cluster_log_densities(values, real[0], 1.0)


def _centres(key: Array) -> Array:
    return jax.random.uniform(key, (3, 2), minval=-10.0, maxval=10.0)


def _blobs(key: Array, centres: Array, n: int) -> Array:
    k_label, k_noise = jax.random.split(key)
    return centres[jax.random.randint(k_label, (n,), 0, 3)] + normal(k_noise, (n, 2))


class Moons(Source):
    """Two interleaving half circles of radius 1 in the plane, plus normal noise.

    Rows are independent. Those of scikit-learn's make_moons are evenly spaced, so that few of them cover the curves
    better: 10 rows and a bandwidth of 0.1 give a first held-out loss of 7 to 8 nats here, and of 2.36 there.

    Args:
        noise: standard deviation of the noise.
    """

    noise: float = 0.05

    name: ClassVar[str] = "moons"
    paddable: ClassVar[bool] = True
    dim: ClassVar[int] = 2

    check = _check_noise

    def sample(self, key: Array, real: tuple[()], n: int) -> Array:
        del real
        k_angle, k_moon, k_noise = jax.random.split(key, 3)
        angle = jax.random.uniform(k_angle, (n,), maxval=jnp.pi)
        cosine, sine = jnp.cos(angle), jnp.sin(angle)
        inner = jax.random.bernoulli(k_moon, shape=(n,))
        rows = jnp.stack([jnp.where(inner, 1 - cosine, cosine), jnp.where(inner, 0.5 - sine, sine)], axis=1)
        return rows + self.noise * normal(k_noise, (n, 2))

    sample_test = sample

    def moments(self, real: tuple[()]) -> tuple[Array, Array]:
        """An arc has variances 1/2 and 1/2 - 4/pi^2, uncorrelated; the arcs' means are (1, 1/2 - 4/pi) apart."""
        del real
        apart = np.array([1.0, 0.5 - 4 / np.pi])
        covariance = np.diag([0.5, 0.5 - 4 / np.pi**2]) + np.outer(apart, apart) / 4
        return jnp.array([0.5, 0.25]), jnp.asarray(covariance, dtype=float) + self.noise**2 * jnp.eye(2)

    log_density = property(_density_of_noisy)

    def log_density_of_modes(self, real: tuple[()], values: Array) -> Array:
        """Of rows in each moon, (n, 2), by the midpoint rule over the angle."""
        del real
        angle = np.pi * (np.arange(_NODES) + 0.5) / _NODES
        outer = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        arcs = [jnp.asarray(arc, dtype=float) for arc in (outer, [1.0, 0.5] - outer)]
        on = lambda arc: _of_equally_likely(_cluster_log_densities(values, arc, self.noise))
        return jnp.stack([on(arc) for arc in arcs], axis=1)


class Circles(Source):
    """Two concentric circles in the plane, the outer of radius 1, plus normal noise.

    Rows are independent. Those of scikit-learn's make_circles are evenly spaced, so that few of them cover the curves
    better.

    Args:
        noise: standard deviation of the noise.
        factor: radius of the inner circle.
    """

    noise: float = 0.05
    factor: float = 0.8

    name: ClassVar[str] = "circles"
    paddable: ClassVar[bool] = True
    dim: ClassVar[int] = 2

    def check(self, num_samples: int) -> None:
        _check_noise(self, num_samples)
        check_number("factor", self.factor)
        if not 0 <= self.factor < 1:
            raise ValueError(f"factor={self.factor}: the inner radius must be at least 0 and below 1")

    def sample(self, key: Array, real: tuple[()], n: int) -> Array:
        del real
        k_angle, k_circle, k_noise = jax.random.split(key, 3)
        angle = jax.random.uniform(k_angle, (n,), maxval=2 * jnp.pi)
        radius = jnp.where(jax.random.bernoulli(k_circle, shape=(n,)), self.factor, 1.0)
        rows = radius[:, None] * jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=1)
        return rows + self.noise * normal(k_noise, (n, 2))

    sample_test = sample

    def moments(self, real: tuple[()]) -> tuple[Array, Array]:
        """A circle of radius r has covariance r^2 / 2 I."""
        del real
        return jnp.zeros(2), ((1 + self.factor**2) / 4 + self.noise**2) * jnp.eye(2)

    log_density = property(_density_of_noisy)

    def log_density_of_modes(self, real: tuple[()], values: Array) -> Array:
        """Of rows in each circle of radius r, (n, 2): exp(-(R^2 + r^2) / 2 s^2) I_0(R r / s^2) / (2 pi s^2)."""
        del real
        distance = jnp.sqrt(jnp.sum(values**2, axis=1))[:, None]
        radii = jnp.stack([jnp.ones_like(self.factor), jnp.asarray(self.factor)])[None, :]
        # i0e is I_0 times exp(-argument), which makes the square of R - r complete.
        bessel = jnp.log(jax.scipy.special.i0e(distance * radii / self.noise**2))
        return bessel - (distance - radii) ** 2 / (2 * self.noise**2) - jnp.log(2 * jnp.pi * self.noise**2)


class SwissRoll(Source):
    """(t cos t, u, t sin t) with t uniform on [1.5 pi, 4.5 pi] and u on [0, 21], plus normal noise.

    Args:
        noise: standard deviation of the noise.
    """

    noise: float = 0.05

    name: ClassVar[str] = "swiss_roll"
    paddable: ClassVar[bool] = True
    dim: ClassVar[int] = 3

    check = _check_noise

    def sample(self, key: Array, real: tuple[()], n: int) -> Array:
        del real
        k_turn, k_height, k_noise = jax.random.split(key, 3)
        turn = jax.random.uniform(k_turn, (n,), minval=1.5 * jnp.pi, maxval=4.5 * jnp.pi)
        height = jax.random.uniform(k_height, (n,), maxval=21.0)
        rows = jnp.stack([turn * jnp.cos(turn), height, turn * jnp.sin(turn)], axis=1)
        return rows + self.noise * normal(k_noise, (n, 3))

    sample_test = sample

    def moments(self, real: tuple[()]) -> tuple[Array, Array]:
        """The roll's moments by Gauss-Legendre quadrature over t (exact to rounding), the height's are known."""
        del real
        nodes, weights = np.polynomial.legendre.leggauss(64)
        turn = np.pi * (3 + 1.5 * nodes)
        roll = np.stack([turn * np.cos(turn), np.full_like(turn, 10.5), turn * np.sin(turn)])
        mean = roll @ weights / 2
        centred = roll - mean[:, None]
        covariance = (centred * weights / 2) @ centred.T + np.diag([0.0, 21**2 / 12, 0.0])
        return jnp.asarray(mean, dtype=float), jnp.asarray(covariance, dtype=float) + self.noise**2 * jnp.eye(3)
