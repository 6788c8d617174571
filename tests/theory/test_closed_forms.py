"""The recursion over batches against closed forms, limits and asymptotes against what they belong to."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

import collapsejax as cj
from collapsejax.theory import bandwidths, closed_forms, fresh, mixing, outcomes, regression, wishart
from collapsejax.theory import exponential_families as families
from collapsejax.theory.recursion import Ledger, NotLinear, follow
from collapsejax.workflows import (
    Accumulate,
    AccumulateSubsample,
    Augment,
    FreshData,
    Replace,
    Selected,
    Weighted,
    Window,
)

EXACT = dict(rtol=1e-10, atol=1e-12)
PROBS = np.array([0.3, 0.25, 0.2, 0.15, 0.07, 0.03])
FORMS = {
    "replace": (Replace(), closed_forms.replace_spread, closed_forms.replace_error),
    "accumulate": (Accumulate(), closed_forms.accumulate_spread, closed_forms.accumulate_error),
    "subsample": (AccumulateSubsample(), closed_forms.subsample_spread, closed_forms.subsample_error),
}


def close(value, exact):
    np.testing.assert_allclose(value, exact, **EXACT)


def quoted(value, digits):
    """`digits` is a number as printed: `value` rounds to it."""
    decimals = len(digits.partition(".")[2])
    assert f"{value:.{decimals}f}" == digits


def same_curves(moments, curves):
    close(moments.spread, curves.spread)
    close(moments.error, curves.error)


class Rule(cj.Workflow):
    """A workflow made of functions: of all batches, of the last, and of the first."""

    choose: Callable = cj.static()
    add: Callable = cj.static(default=lambda pool, new, draw_real: pool.append(new))
    begin: Callable = cj.static(default=lambda pool, real: pool.append(real))

    name = "rule"

    def capacity(self, num_samples, num_generations):
        return num_samples * num_generations

    def init(self, pool, real):
        return self.begin(pool, real)

    def update(self, key, state, synthetic, draw_real):
        return self.add(state, synthetic, draw_real)

    def select(self, key, state):
        return self.choose(state)


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("ddof", [0, 0.5, 1])
@pytest.mark.parametrize("num_samples", [1, 2, 7, 100])
def test_workflows_have_their_closed_forms(name, ddof, num_samples):
    if num_samples <= ddof:
        return
    workflow, spread, error = FORMS[name]
    sizes = num_samples + np.arange(12) * 5 % 7
    for given, rows in ((num_samples, np.full(12, num_samples)), (sizes, sizes)):
        moments = follow(workflow, rows, ddof=ddof)
        close(moments.spread, spread(given, 12, ddof))
        close(moments.error, error(given, 12, ddof))
        if ddof == 0:
            close(moments.spread + moments.error, 1)


def test_equal_batches_have_the_products_in_the_docstrings():
    n, t = 6, np.arange(1.0, 31)
    close(closed_forms.replace_spread(n, 30), (1 - 1 / n) ** t)
    close(closed_forms.replace_error(n, 30, 1), t / n)
    close(closed_forms.accumulate_spread(n, 30), np.cumprod(1 - 1 / (n * t**2)))
    later = np.where(t > 1, 1 - 1 / (t * (n * t - 1)), 1)
    close(closed_forms.accumulate_spread(n, 30, 1), np.cumprod(later))
    lost = ((2 * n - 1) * t - n) / (n * (t + 1) ** 2 * (n * t - 1))
    pool = (1 - 1 / n) * np.cumprod(np.append(1, 1 - lost))[:-1]
    close(closed_forms.subsample_pool_spread(n, 30), pool)
    close(closed_forms.subsample_pool_error(n, 30), 1 - pool)
    close(closed_forms.subsample_spread(n, 30), pool * (n - 1) * t / (n * t - 1))
    gained = 1 + (t - 2) / ((t + 1) * (n * (t + 1) - 1))
    close(closed_forms.subsample_spread(n, 30, 1), np.cumprod(np.append(1, gained))[:-1])


@pytest.mark.parametrize("num_samples", [2, 5, 10, 100])
def test_limits_are_what_curves_tend_to(num_samples):
    n, late = num_samples, 100_000
    for ddof in (0, 1):
        np.testing.assert_allclose(
            closed_forms.accumulate_spread(n, late, ddof)[-1],
            closed_forms.accumulate_spread_limit(n, ddof),
            rtol=2 / late,
        )
        np.testing.assert_allclose(
            closed_forms.accumulate_error(n, late, ddof)[-1],
            closed_forms.accumulate_error_limit(n, ddof),
            rtol=3 / late,
        )
    for part in ("spread", "error", "pool_spread", "pool_error"):
        end = getattr(closed_forms, f"subsample_{part}")(n, late)[-1]
        np.testing.assert_allclose(end, getattr(closed_forms, f"subsample_{part}_limit")(n), rtol=10 / late)
        assert getattr(closed_forms, f"subsample_{part}_limit")(n, 1) == np.inf
    ratio = closed_forms.subsample_spread(n, late, 1)[-1] / closed_forms.subsample_spread_asymptote(n, late)[-1]
    np.testing.assert_allclose(ratio, 1, rtol=10 / late)
    close(closed_forms.accumulate_spread_limit(n), np.sinc(1 / np.sqrt(n)))
    for ddof in (-1, 0, 0.5, 1, 1.5):
        late_error = closed_forms.replace_error(n, 30 * n, ddof)[-1]
        limit = closed_forms.replace_error_limit(n, ddof)
        assert np.isclose(late_error, limit, rtol=1e-4) if ddof < 1 else (late_error > 9 and limit == np.inf)
    assert [closed_forms.replace_spread_limit(n, ddof) for ddof in (0, 1, 1.5)] == [0, 1, np.inf]


def test_quoted_limits():
    for n, limit in ((2, "0.667"), (5, "0.869"), (10, "0.935"), (100, "0.9935")):
        quoted(closed_forms.accumulate_spread_limit(n, 1), limit)
    for n, limit in ((2, "0.3291"), (5, "0.6683"), (10, "0.8211"), (100, "0.9808")):
        quoted(closed_forms.subsample_pool_spread_limit(n), limit)
    quoted(closed_forms.subsample_spread(5, 1000, 1)[-1], "2.48")
    quoted(closed_forms.subsample_spread(100, 1000, 1)[-1], "1.05")
    quoted(closed_forms.subsample_pool_error(3, 10, 1)[-1], "0.5716")
    quoted(closed_forms.subsample_error(3, 40, 1)[-1], "1.144")


@pytest.mark.parametrize("temperature", [1, 0.8])
@pytest.mark.parametrize("ddof", [0, 1])
def test_mixed_workflows(temperature, ddof):
    def blur(g, rows):
        return temperature, 0.0

    options = dict(temperature=temperature, ddof=ddof)
    sizes = np.full(20, 9)
    same_curves(follow(FreshData(7), sizes, ddof=ddof, blur=blur), mixing.fresh_data(7, 9, 20, **options))
    same_curves(follow(Augment(), sizes, ddof=ddof, blur=blur), mixing.augment(9, 9, 20, **options))
    uneven = np.array([4, *[9] * 19])
    same_curves(follow(Augment(), uneven, ddof=ddof, blur=blur), mixing.augment(4, 9, 20, **options))
    same_curves(follow(FreshData(7), uneven, ddof=ddof, blur=blur), mixing.fresh_data(7, 9, 20, num_first=4, **options))
    late = mixing.fresh_data(7, 9, 400, temperature=temperature), mixing.augment(7, 9, 400, temperature=temperature)
    for curves, steady in zip(late, (mixing.fresh_data_steady, mixing.augment_steady), strict=True):
        close([curve[-1] for curve in curves], steady(7, 9, temperature))


def test_weighted():
    n, w = 9, 0.6
    same_curves(follow(Weighted(w), np.full(20, n)), mixing.weighted(w, n, n, 20))
    known = follow(Weighted(w), np.full(20, n), curvature=0)
    close(known.error, mixing.weighted_known_covariance(w, n, n, 20))
    same_curves(follow(Replace(), np.full(20, n)), mixing.weighted(0.0, n, n, 20))
    close(mixing.weighted_known_covariance(0.0, n, n, 20), np.arange(1, 21) / n)
    for num_real, num_synthetic in ((5, 8), (9, 9), (4, 20)):
        sizes = num_real, num_synthetic
        for best, steady, curve in (
            (mixing.optimal_weight, lambda *a: mixing.weighted_steady(*a).error, lambda *a: mixing.weighted(*a).error),
            (
                mixing.optimal_weight_known_covariance,
                mixing.weighted_known_covariance_steady,
                mixing.weighted_known_covariance,
            ),
        ):
            weight = best(*sizes)
            close(steady(weight, *sizes), weight / num_real)
            close(curve(weight, *sizes, 400)[-1], steady(weight, *sizes))
            assert min(steady(weight + 1e-3, *sizes), steady(weight - 1e-3, *sizes)) > steady(weight, *sizes)
    close(mixing.optimal_weight_known_covariance(3, 3), (np.sqrt(5) - 1) / 2)
    quoted(mixing.optimal_weight(5, 8), "0.51904")
    close(mixing.weighted_steady(5 / 13, 5, 8), mixing.fresh_data_steady(5, 8))


def test_effective_sample_size():
    close(mixing.effective_sample_size(100, 300), 100 * 1.75 + 0.75)
    quoted(1 / mixing.effective_sample_size(100, 100, 0.5), "0.00444")
    quoted(100 * mixing.augment_steady(100, 1000).error, "1.469")
    assert mixing.fresh_data_steady(1, 1000, 1.1) == (np.inf, np.inf)


def test_workflows_without_a_closed_form():
    window = follow(Window(3), np.full(8, 5))
    quoted(window.spread[-1], "0.5577")
    quoted(window.error[-1], "0.4423")
    cool = follow(Accumulate(), [5, 4, 4, 4, 4, 4, 4], blur=lambda g, rows: (0.8, 0.0))
    quoted(cool.spread[-1], "0.5377")
    quoted(cool.error[-1], "0.26135")
    drawing = follow(Rule(lambda pool: pool.draw(None, min(7, pool.capacity))), np.full(6, 4))
    quoted(drawing.spread[-1], "0.5861")
    quoted(drawing.error[-1], "0.4139")
    close(drawing.rows, [4, 7, 7, 7, 7, 7])


def test_kernel_models():
    sizes = np.full(8, 6)

    def wide(g, rows):
        return 1.0, 0.5

    spreads = [follow(w, sizes, blur=wide).spread[-1] for w in (Replace(), Accumulate(), AccumulateSubsample())]
    for spread, value in zip(spreads, ("2.0349", "1.5588", "1.3000"), strict=True):
        quoted(spread, value)
    late = follow(Replace(), np.full(300, 6), blur=wide)
    close(late.spread[-1], bandwidths.replace_spread_limit(6, np.sqrt(0.5)))
    error = late.error - bandwidths.replace_error_asymptote(np.sqrt(0.5), 300)
    assert np.ptp(error[200:]) < 1e-9
    asymptote = bandwidths.accumulate_spread_asymptote(np.sqrt(0.5), 1000)
    for workflow, share in ((Accumulate(), 1), (AccumulateSubsample(), 1 - 1 / 6)):
        spread = follow(workflow, np.full(1000, 6), blur=wide).spread
        np.testing.assert_allclose(spread[999] - spread[499], share * (asymptote[999] - asymptote[499]), rtol=0.01)


def test_bandwidths_that_follow_the_spread():
    def scott(g, rows):
        return 1 + rows ** (-2 / 6) * rows / (rows - 1), 0.0

    def constant(g, rows):
        return 1 + 0.3 * rows / (rows - 1), 0.0

    drawn = 7 * 48 / (8 * 47)  # variance of 8 rows from a pool of 48, in units of the pool's
    for workflow, share, value in (
        (Replace(), 1, "4.301"),
        (Accumulate(), 1, "1.4497"),
        (AccumulateSubsample(), drawn, "1.6315"),
    ):
        quoted(follow(workflow, np.full(6, 8), blur=scott).spread[-1] / share, value)
    spread = follow(Replace(), np.full(6, 8), blur=constant).spread
    close(spread[1:] / spread[:-1], bandwidths.replace_growth(8, np.sqrt(0.3)))
    for workflow in (Accumulate(), AccumulateSubsample()):
        spread = follow(workflow, np.full(1000, 8), blur=constant).spread
        exponent = np.log(spread[999] / spread[499]) / np.log(2)
        np.testing.assert_allclose(exponent, bandwidths.accumulate_exponent(np.sqrt(0.3)), rtol=0.01)


def test_families_are_the_engine_with_a_variance_function():
    for family in (families.bernoulli(0.3), families.poisson(2.0), families.exponential(1.5), families.gamma(3.0, 1.0)):
        for workflow, form in (
            (Replace(), families.replace_error),
            (Accumulate(), families.accumulate_error),
            (AccumulateSubsample(), families.subsample_error),
        ):
            moments = follow(workflow, np.full(15, 10), curvature=family.curvature)
            close(moments.error * family.variance, form(family, 10, 15))
            close(moments.spread, 1 + family.curvature * moments.error)
        end = families.accumulate_error(family, 10, 100_000)[-1]
        np.testing.assert_allclose(end, families.accumulate_error_limit(family, 10), rtol=2e-5)
    coin = families.bernoulli(0.3)  # indicators match mean and covariance
    close(families.subsample_error(coin, 10, 15) / coin.variance, closed_forms.subsample_error(10, 15))
    close(families.subsample_pool_error(coin, 10, 15) / coin.variance, closed_forms.subsample_pool_error(10, 15))
    poisson = families.poisson(2.0)
    for name, end in (("replace", 50), ("accumulate", np.pi**2 / 6), ("subsample", np.pi**2 / 2 - 2)):
        constant = getattr(families, f"{name}_leading_constant")(50)
        error = getattr(families, f"{name}_error")(poisson, 10**7, 50)
        np.testing.assert_allclose(10**7 / 2 * error, constant, rtol=1e-6)
        late = getattr(families, f"{name}_leading_constant")(100_000)[50 - 1 if name == "replace" else -1]
        np.testing.assert_allclose(late, end, rtol=5e-5)


def test_regression_limits():
    for limit, curve in (
        (regression.accumulate_fresh_design_limit, regression.accumulate_fresh_design),
        (regression.accumulate_fixed_design_limit, regression.accumulate_fixed_design),
    ):
        np.testing.assert_allclose(curve(9, 3, 200_000, 0.7)[-1], limit(9, 3, 0.7), rtol=1e-5)
    quoted(regression.accumulate_fresh_design_limit(9, 3), "0.851701")
    quoted(regression.replace_refitted(12, 2, 6).error[-1], "0.8868")
    unbiased = regression.replace_refitted(12, 2, 6, 0.7, unbiased=True)
    close(unbiased.error, regression.replace_fresh_design(12, 2, 6, 0.7))
    for n in (4, 5, 6):
        assert np.isinf(regression.replace_fixed_design(n, 5, 3)).all()
    with pytest.raises(ValueError, match="num_samples=4"):
        regression.accumulate_fresh_design(4, 5, 3)


def test_categorical_chains_agree_with_ancestors():
    close(outcomes.replace_outcomes(PROBS, 12, 15).survivors, outcomes.replace_survivors(PROBS, 12, 15))
    close(outcomes.accumulate_outcomes(PROBS, 12, 8).survivors, outcomes.pool_survivors(PROBS, 12))
    first = [f(PROBS, 12, 1) for f in (outcomes.replace_outcomes, outcomes.subsample_outcomes)]
    close(first[0].entropy, first[1].entropy)
    quoted(outcomes.fixation_time([0.3, 0.7], 20), "23.02")
    quoted(outcomes.fixation_time(np.full(10, 0.1), 12), "21.23")
    assert outcomes.fixation_time([0.3, 0.7], 1) == 1
    close(outcomes.fixation_time([0.5, 0.5], 2), 2)
    ratio = outcomes.fixation_time_asymptote(PROBS, 400) / outcomes.fixation_time(PROBS, 400)
    assert abs(ratio - 1) < 0.01


OF_PROBS = [
    outcomes.pool_survivors,
    outcomes.fixation_time,
    outcomes.fixation_time_asymptote,
    *(partial(of, num_generations=3) for of in (outcomes.replace_survivors, outcomes.replace_outcomes)),
    *(partial(of, num_generations=3) for of in (outcomes.accumulate_outcomes, outcomes.subsample_outcomes)),
]


@pytest.mark.parametrize("function", OF_PROBS)
def test_probabilities_are_checked(function):
    for probs in ([1.5, -0.5], [0.5, 0.6], [np.nan, 1.0], [[0.5, 0.5]], [], 1.0, "uniform"):
        with pytest.raises(ValueError, match=r"^probs"):
            function(probs, num_samples=10)
    for wrong in (0, 2.5, True):
        with pytest.raises(ValueError, match="num_samples"):
            function([0.5, 0.5], num_samples=wrong)


# Rows: dim, num_real, and the critical numbers of synthetic rows at the temperatures .99, .95, .9, .8, .5.
CRITICAL = [
    (1, 100, "1828 348 164 72.4 20.6"),
    (5, 100, "3133 611 296 139 45.2"),
    (1, 1000, "4610 758 302 105 21.8"),
    (5, 1000, "7032 1244 537 208 49.0"),
]


@pytest.mark.parametrize(("dim", "num_real", "table"), CRITICAL)
def test_critical_numbers_of_synthetic_rows(dim, num_real, table):
    for temperature, value in zip((0.99, 0.95, 0.9, 0.8, 0.5), table.split(), strict=True):
        quoted(fresh.critical_num_synthetic(num_real, dim, temperature), value)
    assert fresh.critical_num_synthetic(num_real, dim, 1.0) == np.inf
    assert fresh.critical_num_synthetic(2, dim, 2.0) == 0


def test_best_numbers_of_synthetic_rows():
    least = fresh.fisher_error_real_only(100, 1)
    for temperature, ratio in ((0.99, "0.56"), (0.95, "0.68"), (0.9, "0.76"), (0.8, "0.84"), (0.5, "0.94")):
        best = fresh.best_num_synthetic(100, 1, temperature)
        error = fresh.fisher_error_steady(100, best, 1, temperature)
        quoted(error / least, ratio)
        assert error < min(fresh.fisher_error_steady(100, best * f, 1, temperature) for f in (0.9, 1.1))


def test_second_moments_of_the_fresh_loop_contain_the_first():
    moments = fresh.fresh_moments(8, 12, 3, 60, temperature=0.85)
    curves = mixing.fresh_data(8, 12, 60, temperature=0.85)
    close(moments.trace / 3, curves.spread)
    close(moments.squared_mean / 3, curves.error)
    close([m[-1] for m in moments], fresh.fresh_steady(8, 12, 3, 0.85))
    close(fresh.fisher_error(8, 12, 3, 60, 0.85)[-1], fresh.fisher_error_steady(8, 12, 3, 0.85))
    real = wishart.replace_trace_moments(12, 3, 1)
    close((moments.squared_trace[0], moments.trace_of_square[0]), np.ravel(real))
    assert fresh.fisher_error_steady(1, 1000, 1, 1.1) == np.inf
    with pytest.raises(ValueError, match=r"temperature=1\.1"):
        fresh.fresh_steady(1, 1000, 1, 1.1)


def test_gaussian_laws_in_one_dimension_agree():
    n, generations = 9, 6
    for ddof in (0, 1):
        squares = wishart.replace_trace_moments(n, 1, generations, ddof)
        close(squares.squared_trace, wishart.replace_power_mean(n, 2, generations, ddof))
        close(squares.trace_of_square, squares.squared_trace)
        close(wishart.replace_power_mean(n, 1, generations, ddof), closed_forms.replace_spread(n, generations, ddof))
        rate = wishart.lyapunov_rates(n, 3, ddof)
        close(rate.sum(), wishart.replace_log_determinant(n, 3, 1, ddof)[0])
    close(wishart.replace_log_pseudo_determinant(n, 3, generations), wishart.replace_log_determinant(n, 3, generations))
    close(wishart.replace_kl(n, 3, generations), -wishart.replace_log_determinant(n, 3, generations) / 2)
    step = np.exp(np.log(wishart.replace_power_mean(n, 0.5, 1)[0]))
    close(wishart.replace_wasserstein(n, generations), 2 * (1 - step ** np.arange(1, generations + 1)))
    assert np.isinf(wishart.replace_reverse_kl(5, 3, generations)).all()
    assert np.isinf(wishart.replace_power_mean(3, -1, 2)).all()
    with pytest.raises(ValueError, match="num_samples=3"):
        wishart.replace_kl(3, 3, 1)


def test_finite_populations():
    """Batches that are all of a table have no error; one row has the table's variance."""

    def error(m):
        return (1 / m - 1 / 20) * 20 / 19

    moments = follow(Replace(), [20, 5, 1], real_error=error)
    close(moments.error[:2], [0, 1 / 5])
    close(follow(Replace(), [1], real_error=error).error, 1)


REFUSED = {
    "unequal weights": (lambda pool: pool.join(pool.scale(0.5)).draw(None, 2), "unequal"),
    "a draw from a draw": (lambda pool: pool.draw(None, 3).draw(None, 2), "themselves"),
    "a draw beside data": (lambda pool: pool.draw(None, 3).join(pool), "adds data"),
    "a draw with twins": (lambda pool: pool.join(pool).draw(None, 3), "twice"),
    "values": (lambda pool: pool.values, "values"),
    "numbers": (lambda pool: pool + 1, "unsupported"),
    "no data": (lambda pool: pool.capacity, "selects a int"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_followed_is_refused(case):
    select, message = REFUSED[case]
    with pytest.raises(NotLinear, match=f"rule: .*{message}"):
        follow(Rule(select), np.full(3, 4))


def test_a_draw_is_fitted_once():
    first_only = lambda pool, new, draw_real: pool
    keep = Rule(lambda pool: pool, first_only, lambda pool, real: real.draw(None, 3))
    with pytest.raises(NotLinear, match="two models to one draw"):
        follow(keep, np.full(3, 4))
    with pytest.raises(NotLinear, match="selected: it chooses rows by their values"):
        follow(Selected(), np.full(3, 4))


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="rule: there are no data"):
        follow(Rule(lambda pool: pool.clear()), np.full(3, 4))
    with pytest.raises(ValueError, match="ddof=1"):
        follow(Replace(), [1, 1], ddof=1)
    with pytest.raises(ValueError, match="sizes"):
        follow(Replace(), [4, 0])
    with pytest.raises(ValueError, match="draw of 5 rows"):
        follow(Rule(lambda pool: pool.draw(None, 5)), np.full(3, 4))
    with pytest.raises(ValueError, match="ddof=2"):
        closed_forms.accumulate_spread(2, 3, ddof=2)
    with pytest.raises(ValueError, match="3 sizes"):
        closed_forms.replace_spread(np.array([4, 4]), 3)


def test_ledgers_are_datasets():
    a, b = Ledger.of(0, 4), Ledger.of(1, 2)
    both = a.join(b.scale(np.float32(0.5)))
    assert both.capacity == 6
    assert both.weights.tolist() == [1, 0.5]
    assert a.scale(0).capacity == a.clear().capacity == a.empty(9).capacity == 0
    assert a.join(b).draw(None, 3).capacity == 3
    assert a.draw(None, 4) is a
    twice = Rule(lambda pool: pool.join(pool))  # every weight doubled, which changes nothing but the number of rows
    moments = follow(twice, np.full(5, 4))
    close(moments.spread, closed_forms.accumulate_spread(4, 5))
    close(moments.rows, 8 * np.arange(1, 6))


@pytest.mark.parametrize(("count", "rows"), [(None, [4, 8, 16]), (3, [4, 7, 11]), (0, [4, 4, 8])])
def test_draws_of_real_rows(count, rows):
    """As many as the synthetic batch unless told otherwise; none is no batch."""
    rule = Rule(lambda pool: pool, lambda pool, new, draw_real: new.join(draw_real(None, count)))
    close(follow(rule, [4, 4, 8]).rows, rows)


def test_chains_of_outcomes_agree_where_workflows_do():
    """Half the weight on as many real rows is fresh data; without real rows both are replace; what is kept stays."""
    same = np.testing.assert_allclose
    replace = outcomes.replace_outcomes(PROBS, 7, 6)
    same(outcomes.fresh_outcomes(PROBS, 7, 0, 6), replace, rtol=1e-10)
    same(outcomes.weighted_outcomes(PROBS, 0.0, 7, 6), replace, rtol=1e-10)
    same(outcomes.weighted_outcomes(PROBS, 0.5, 7, 6), outcomes.fresh_outcomes(PROBS, 7, 7, 6), rtol=1e-10)
    only_real = outcomes.weighted_outcomes(PROBS, 1.0, 7, 6)
    same(only_real, np.broadcast_to(np.transpose(only_real)[0][:, None], (2, 6)), rtol=1e-10)
    same(outcomes.augment_outcomes(PROBS, 7, 6).survivors, outcomes.pool_survivors(PROBS, 7), rtol=1e-10)


def test_regressions_on_sizes_that_change():
    close(regression.replace_fixed_design([9, 14, 11], 2, 3), np.cumsum([2 / 6, 2 / 11, 2 / 8]))
    close(regression.replace_fresh_design([9, 9, 9], 2, 3), regression.replace_fresh_design(9, 2, 3))
    close(regression.accumulate_fresh_design([9, 9, 9], 2, 3), regression.accumulate_fresh_design(9, 2, 3))
    refitted = regression.replace_refitted([9, 14], 2, 2, 3.0, temperature=0.5)
    close(refitted.sigma2, [3 * 7 / 9, 3 * 7 / 9 * 0.5 * 12 / 14])
    close(refitted.error, np.cumsum([3 * 2 / 6, 3 * 0.5 * 7 / 9 * 2 / 11]))
    with pytest.raises(ValueError, match="at least 3 rows only"):
        regression.replace_fixed_design([9, 2], 2, 2)
