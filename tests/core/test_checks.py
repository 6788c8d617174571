"""Keys of which a seed's numbers would depend on others, and pools of more rows than can be counted, are refused."""

import jax
import pytest

import collapsejax as cj
from collapsejax.core.checks import check_run, key_of

SIZE = dict(num_samples=6, num_generations=2)


@pytest.mark.parametrize("impl", ["rbg", "unsafe_rbg"])
def test_keys_other_than_threefry_are_refused(impl):
    key = jax.random.key(0, impl=impl)
    message = rf'of {impl}, .* make it by jax.random.key\(seed, impl="threefry2x32"\)'
    for call in (
        lambda: cj.run(key, cj.Gaussian(), cj.Replace(), **SIZE),
        lambda: cj.seed_keys(key, 3),
        lambda: cj.run_seeds(jax.random.split(key, 3), cj.Gaussian(), cj.Replace(), **SIZE),
        lambda: cj.sweep(cj.Gaussian(), ["replace"], **SIZE, num_seeds=3, key=key),
        lambda: jax.vmap(lambda key: cj.run(key, cj.Gaussian(), cj.Replace(), **SIZE))(jax.random.split(key, 3)),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_the_key_of_a_seed_is_the_same_whatever_jax_makes_by_default():
    with jax.default_prng_impl("rbg"):
        key = key_of(3)
    assert jax.random.key_impl(key) == "threefry2x32"
    assert (jax.random.key_data(key) == jax.random.key_data(jax.random.key(3))).all()


MOONS = cj.KDE(cj.sources.moons(), 0.1)


@pytest.mark.parametrize(
    ("task", "workflow", "sizes", "fix"),
    [
        (MOONS, cj.AccumulateSubsample(), (2**24, 1000), "use at most num_samples=2145338 or num_generations=126"),
        (MOONS, cj.Accumulate(), (100, 2**31 - 1), "use at most num_generations=21474835"),
        (MOONS, cj.FreshData(2**31 - 1), (100, 5), "lower num_fresh, num_samples, num_generations"),
        (cj.Categorical(3), cj.AccumulateSubsample(), (2**20, 100), "use at most num_samples=166111 or num_gen.*=14"),
    ],
)
def test_pools_of_too_many_rows_are_refused(task, workflow, sizes, fix, compilations):
    num_samples, num_generations = sizes
    with compilations(at_most=0), pytest.raises(ValueError, match=f"pools [0-9]+ rows, and at most [0-9]+ .*; {fix}$"):
        check_run(task, workflow, num_samples, num_generations, rows=False)


def test_pools_that_fit_are_not():
    for task in (cj.Gaussian(), cj.Categorical(3)):
        check_run(task, cj.Accumulate(), 2**24, 1000, rows=False)
    check_run(MOONS, cj.AccumulateSubsample(), 2145338, 1000, rows=False)
    check_run(cj.Categorical(3), cj.AccumulateSubsample(), 166111, 100, rows=False)
