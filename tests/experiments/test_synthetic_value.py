import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from checks import GATE, assert_mean_is, z_scores

import collapsejax as cj
from collapsejax import language
from collapsejax.data.rows import Rows
from collapsejax.numerics.subsets import subset

TEACHER = 40


@pytest.fixture(scope="module")
def studies():
    """For Gaussians, of each generator: squared errors (S,) by (num_real, num_synthetic), in units of the truth's."""
    size = dict(num_real=[16, 8], num_synthetic=[8, 64, 16], num_seeds=16000, key=jax.random.key(2))
    task = cj.Gaussian(dim=3, sigma2=2.0)
    return {
        generator: cj.synthetic_value(task, **size, generator=generator, teacher_rows=TEACHER)
        for generator in ("self", "teacher")
    }


def exact(generator, n, m):
    """Expected squared error of the mean of n real rows and m synthetic ones, over d sigma2.

    The union's mean is (n a + m b) / (n + m), a being that of the real rows, with E|a|^2 = d sigma2 / n about the true
    mean, and b = c + e that of the synthetic ones: c is the mean of the N rows that the generator was fitted to, and e,
    given these, has mean 0 and covariance S / m, S being their covariance divided by N, with E tr S = (N - 1) / N times
    d sigma2. A generator of the same rows has c = a, so a's part keeps its weight 1; a teacher's c is independent of a,
    with E|c|^2 = d sigma2 / N.
    """
    if generator == "self":
        return 1 / n + (m / (n + m)) ** 2 * (n - 1) / n / m if m else 1 / n
    spread = (1 / TEACHER + (TEACHER - 1) / TEACHER / m) if m else 0
    return (n / (n + m)) ** 2 / n + (m / (n + m)) ** 2 * spread


@pytest.mark.slow
@pytest.mark.parametrize("generator", ["self", "teacher"])
def test_gaussians_have_the_expected_errors(studies, generator):
    dataset = studies[generator]
    errors = dataset.mean_sq_error.values.astype(float).reshape(8, -1).T / 6
    cells = [(n, m) for n in dataset.num_real.values for m in dataset.num_synthetic.values]
    assert cells == [(n, m) for n in (8, 16) for m in (0, 8, 16, 64)]
    assert_mean_is(errors, [exact(generator, n, m) for n, m in cells])
    # The other generator's errors, wherever there are synthetic rows, would not have passed.
    other = {"self": "teacher", "teacher": "self"}[generator]
    z = z_scores(errors, [exact(other, n, m) for n, m in cells])
    assert all(abs(z[place]) > GATE for place, (_, m) in enumerate(cells) if m)
    assert dataset.attrs["num_compilations"] == 2
    assert not any(dataset[name].isnull().any() for name in dataset.data_vars)


@pytest.mark.slow
def test_the_table_says_what_is_best(studies):
    table = cj.value_table(studies["self"])
    assert table.attrs["metric"] == "mean_sq_error"
    # Rows of one's own carry no information: none is best, and all others cost significantly.
    assert table.best_num_synthetic.values.tolist() == [0, 0]
    assert np.all(table.best_difference == 0)
    harm = table.sel(num_synthetic=[8, 16, 64])
    assert np.all(harm.difference > 5 * harm.difference_standard_error)
    table = cj.value_table(studies["teacher"], "mean_sq_error")
    assert table.best_num_synthetic.values.tolist() == [64, 64]
    assert np.all(table.best_difference < -5 * table.best_difference_standard_error)
    paired = studies["teacher"].mean_sq_error.sel(num_real=8).astype(float)
    difference = (paired.sel(num_synthetic=64) - paired.sel(num_synthetic=0)).values
    np.testing.assert_allclose(table.best_difference[0], difference.mean(), rtol=1e-6)
    standard_error = difference.std(ddof=1) / np.sqrt(16000)
    np.testing.assert_allclose(table.best_difference_standard_error[0], standard_error, rtol=1e-6)
    with pytest.raises(ValueError, match=r"metric='test_los': there is none; give one of trace_ratio, mean_sq_error"):
        cj.value_table(studies["self"], "test_los")
    with pytest.raises(ValueError, match="num_seeds=1: a standard error needs at least 2"):
        cj.value_table(studies["self"].isel(seed=[0]))
    with pytest.raises(ValueError, match="metric='kl': is not finite for some seeds"):
        cj.value_table(studies["self"].assign(kl=studies["self"].kl + np.inf), "kl")


def test_the_table_has_paired_differences():
    """Of a loss that is finite for any number of rows: `kl`, which diagnoses prefer, is not."""
    error = np.array([[[4.0, 8.0, 9.0], [3.0, 6.0, 9.0]], [[1.0, 2.0, 4.0], [2.0, 2.0, 6.0]]])
    dims = ("num_real", "num_synthetic", "seed")
    coords = {"num_real": [8, 16], "num_synthetic": [0, 5]}
    table = cj.value_table(xr.Dataset({"kl": (dims, error), "mean_sq_error": (dims, error)}, coords))
    assert table.attrs["metric"] == "mean_sq_error"
    np.testing.assert_allclose(table.difference, [[0, -1], [0, 1]])
    np.testing.assert_allclose(table.difference_standard_error, [[0, np.sqrt(1 / 3)], [0, np.sqrt(1 / 3)]])
    assert table.best_num_synthetic.values.tolist() == [5, 0]
    np.testing.assert_allclose(table.best_difference, [-1, 0])
    np.testing.assert_allclose(table.best_difference_standard_error, [np.sqrt(1 / 3), 0])


@pytest.mark.slow
def test_datasets_can_be_stored(studies, tmp_path):
    cj.save(studies["self"], tmp_path / "value")
    again = xr.open_zarr(tmp_path / "value")
    assert again.identical(studies["self"])
    assert json.loads(again.attrs["task"])["dim"] == 3
    assert again.mean_sq_error.attrs["units"] == "data units squared"


class Recorder(cj.Task):
    """Models tell what they were fitted to and with which setting, as metrics; and they write it.

    Real rows are drawn from 12 numbers without replacement. The best setting is a hundredth of the number of rows.
    """

    steps: float = 1.0

    name = "recorder"

    def check(self, num_samples):
        if num_samples > 12:
            raise ValueError(f"num_samples={num_samples}: there are 12 rows; use at most 12")
        if not self.steps > 0:
            raise ValueError(f"steps={self.steps}: must be above 0")

    def init(self, key, num_samples):
        return (), None

    def sample_real(self, key, truth, n):
        return subset(key, 12, n).astype(float)

    def fit(self, key, truth, train, params):
        return {"rows": train, "noise": jax.random.normal(key), "used": jnp.asarray(self.steps)}

    def sample(self, key, truth, params, n):
        rows = params["rows"]
        return jnp.stack([params["used"], params["noise"], jnp.sum(rows.weights * rows.values)])[:n]

    def evaluate(self, truth, params):
        rows = params["rows"]
        sums = {"total": jnp.sum(rows.weights * rows.values), "count": jnp.sum(rows.weights)}
        return {
            "first": rows.values[0],
            "second": rows.values[1],
            "used": params["used"],
            "noise": params["noise"],
        } | sums

    def validation_loss(self, key, truth, params):
        # What the key adds is large, and the same for all candidates.
        count = jnp.sum(params["rows"].weights)
        return jnp.log(100 * params["used"] / count) ** 2 + 100 * jax.random.normal(key)


SIZE = dict(num_real=[5, 3], num_synthetic=[1, 3, 2], num_seeds=6, key=jax.random.key(5))
TUNE = {"steps": [0.09, 0.01, 0.05, 0.03]}
BEST = [[0.03, 0.05, 0.05, 0.05], [0.05, 0.05, 0.09, 0.09]]  # for 3, 4, 5, 6 rows, and for 5, 6, 7, 8


@pytest.fixture(scope="module", params=["self", "teacher"])
def recorded(request):
    reports = []
    options = dict(generator=request.param, teacher_rows=7, tune=TUNE, progress=reports.append)
    return request.param, cj.synthetic_value(Recorder(), **SIZE, **options), reports


def test_rows_are_nested_and_random_numbers_shared(recorded):
    _, data, _ = recorded
    assert dict(data.sizes) == {"num_real": 2, "num_synthetic": 4, "seed": 6, "candidate": 4}
    assert np.all(data["count"] == data.num_real + data.num_synthetic)
    for name in ("first", "second", "noise"):
        assert np.all(data[name] == data[name].isel(num_real=0, num_synthetic=0))
    # Though 12 rows of 12 come in their order, which five of them are the real ones is random.
    assert len({*data["total"].sel(num_real=5, num_synthetic=0).values}) > 3
    assert len(np.unique(data.noise)) == 6


def test_settings_are_chosen_by_validation(recorded):
    generator, data, _ = recorded
    assert data.candidate.values.tolist() == [0.01, 0.03, 0.05, 0.09]
    assert data.steps.values.tolist() == BEST
    np.testing.assert_allclose(data.used, np.broadcast_to(np.array(BEST)[:, :, None], (2, 4, 6)), rtol=1e-6)
    relative = data.validation_loss - data.validation_loss.sel(candidate=0.05)
    rows = (data.num_real + data.num_synthetic).values[:, :, None]
    expected = np.log(100 * data.candidate.values / rows) ** 2 - np.log(5 / rows) ** 2
    np.testing.assert_allclose(relative, expected, atol=1e-3)
    assert data.attrs["num_compilations"] == 2
    assert data.attrs["tune"] == json.dumps({"steps": sorted(TUNE["steps"])})
    assert data.attrs.get("teacher_steps") == (0.09 if generator == "teacher" else None)


def test_generators_are_fitted_apart(recorded):
    """A generator writes its setting, its random number, and the sum of the rows that it was fitted to."""
    generator, data, _ = recorded
    written = data["total"].diff("num_synthetic").transpose("num_synthetic", "num_real", "seed").values
    steps = np.full(2, 0.09) if generator == "teacher" else np.array([0.03, 0.05])
    np.testing.assert_allclose(written[0], np.broadcast_to(steps[:, None], (2, 6)), atol=1e-5)
    assert np.all(np.abs(written[1] - data.noise.isel(num_real=0, num_synthetic=0).values) > 1e-3)
    real = data["total"].sel(num_synthetic=0).values
    if generator == "self":
        np.testing.assert_allclose(written[2], real, rtol=1e-5)
    else:  # the seven numbers of 0 to 11 that are not among the five
        np.testing.assert_allclose(written[2], np.broadcast_to(66 - real[1], (2, 6)), rtol=1e-5)


def test_each_fit_is_reported(recorded):
    generator, _, reports = recorded
    assert len(reports) == (8 + (generator == "teacher")) * 4
    assert reports[-1].doing == "num_real=5, num_synthetic=3, steps=0.09"
    assert (reports[-1].cells, reports[-1].num_cells, reports[-1].num_seeds) == (8, 8, 48)


def test_long_running_tasks_run_in_turn_with_the_same_numbers(monkeypatch):
    in_step = cj.synthetic_value(Recorder(), **SIZE, tune=TUNE)
    monkeypatch.setattr(Recorder, "long_running", True)
    in_turn = cj.synthetic_value(Recorder(), **SIZE, tune=TUNE)
    for name in in_step.data_vars:
        np.testing.assert_allclose(in_step[name], in_turn[name], rtol=1e-6)


def test_estimates_are_validated_on_rows_that_the_key_draws(key):
    task = cj.KDE(cj.sources.moons(), 0.3, num_test=50)

    @jax.jit
    def fitted_and_validated():
        truth, _ = task.init(key, 8)
        params = task.fit(key, truth, task.summarize(truth, Rows.of(task.sample_real(key, truth, 8))), None)
        return params, task.validation_loss(jax.random.key(3), truth, params)

    params, loss = fitted_and_validated()
    held_out = task.source.sample_test(jax.random.key(3), (), 50)
    square = ((held_out[:, None] - params.rows.values[None]) ** 2).sum(axis=2)
    density = np.exp(-square / (2 * 0.3**2)).mean(axis=1) / (2 * np.pi * 0.3**2)
    np.testing.assert_allclose(loss, -np.log(density).mean(), rtol=1e-4)


@pytest.mark.slow
def test_bandwidths_are_chosen_by_validation(key):
    task = cj.KDE(cj.sources.moons(), 0.3, num_test=50)
    size = dict(num_real=[4, 64], num_synthetic=[8], num_seeds=20, key=key)
    data = cj.synthetic_value(task, **size, tune={"bandwidth": [0.02, 0.1, 0.4, 5.0]})
    assert data.bandwidth.sel(num_synthetic=0).values.tolist() == [0.4, 0.1]
    assert data.attrs["num_compilations"] == 2
    # In each cell tests have the loss of the chosen bandwidth: on other rows, so about that of validation.
    chosen, tested = data.validation_loss.min("candidate"), data.test_nll.mean("seed")
    assert np.all(np.abs(tested - chosen) < 0.5)
    assert np.all(tested != chosen)


@pytest.mark.slow
def test_transformers_are_tuned_by_one_program(key):
    source = cj.sources.markov(order=1, vocab=4, concentration=0.3, window=6)
    task = cj.Transformer(source, width=8, depth=1, batch_size=4, num_test=20, num_scored=5)
    size = dict(num_real=[6], num_synthetic=[8], num_seeds=2, key=key)
    data = cj.synthetic_value(task, **size, tune={"num_steps": [2, 60]})
    assert data.attrs["num_compilations"] == 2
    assert data.num_steps.values.tolist() == [[60, 60]]
    assert np.all(data.validation_loss.sel(candidate=60) < data.validation_loss.sel(candidate=2) - 0.05)
    assert np.all(np.abs(data.test_loss.mean("seed") - data.validation_loss.sel(candidate=60)) < 0.3)


def test_a_transformer_is_validated_on_rows_of_their_own(key, tmp_path):
    for number, letters in enumerate(np.random.default_rng(0).choice(list("abcdefgh"), (30, 60))):
        (tmp_path / f"{number}.txt").write_text("".join(letters))
    source = cj.sources.text(tmp_path, window=6)
    task = cj.Transformer(source, width=8, depth=1, num_test=1000, num_scored=7)
    variables = jax.jit(task.decoder.init)(key, source.test)
    params = cj.tasks.transformer.TransformerParams(variables, jnp.float32(0), source.train[:7])
    truth = cj.tasks.transformer.TransformerTruth(source.test, (), None, None)
    loss_on = jax.jit(lambda rows: -jnp.mean(language.log_likelihood(task.decoder, variables, rows)))
    loss = jax.jit(task.validation_loss)(key, truth, params)
    np.testing.assert_allclose(loss, loss_on(source.validation), rtol=1e-5)
    assert abs(loss - loss_on(source.test)) > 1e-3 * loss
    np.testing.assert_array_equal(task.text_samples(truth, params), source.train[:5])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(num_real=[]), r"num_real=\[\]: is empty; give at least one value"),
        (dict(num_real=5), "num_real=5: want a list of values"),
        (dict(num_real=[0]), "num_real=0: must be at least 1"),
        (dict(num_real=[13]), "num_real=13: there are 12 rows; use at most 12"),
        (dict(num_real=[3, 3]), "num_real: duplicate value 3; give each value once"),
        (dict(num_synthetic=[-1]), "num_synthetic=-1: must be at least 0"),
        (dict(num_synthetic=[2.5]), "num_synthetic=2.5: must be a whole number"),
        (dict(num_synthetic=[0]), r"num_synthetic=\[0\]: give at least one number above 0"),
        (dict(num_seeds=0), "num_seeds=0: must be at least 1"),
        (dict(generator="teachr"), "generator='teachr': there is none; did you mean 'teacher'"),
        (dict(generator="teacher"), "teacher_rows=4096: there are 12 rows"),
        (dict(generator="teacher", teacher_rows=8), r"num_real \+ teacher_rows=13: there are 12 rows"),
        (dict(tune={}), "tune: names 0 fields; give one"),
        (dict(tune={"step": [1]}), "tune: task 'recorder' has no field 'step'; did you mean 'steps'"),
        (dict(tune={"steps": []}), r"tune: steps=\[\]: is empty; give at least one value"),
        (dict(tune={"steps": [1, 1]}), "tune: steps: duplicate value 1"),
        (dict(tune={"steps": [0.1, -2]}), "tune: steps=-2: must be above 0"),
        (dict(tune={"steps": ["few"]}), "tune: steps='few': candidates are numbers"),
        (
            dict(task=cj.Gaussian(), tune={"sigma2": [1.0]}),
            "tune: task 'gaussian', with its source, has no rows for val",
        ),
        (dict(task=cj.Gaussian(), num_real=[1, 4]), "num_real=1: a covariance needs at least 2"),
        (dict(task="gaussian"), "task='gaussian': is a name; give the task itself"),
        (dict(task=cj.Replace()), "is a workflow; the task comes first"),
        (dict(key=jax.random.PRNGKey(0)), "want one typed key, as from jax.random.key"),
    ],
)
def test_mistakes_are_refused_before_anything_is_compiled(changes, message, monkeypatch):
    monkeypatch.setattr(jax, "jit", None)
    with pytest.raises(ValueError, match=message):
        cj.synthetic_value(**{**SIZE, "task": Recorder(), **changes})


def test_a_table_has_no_rows_for_validation(tmp_path):
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(30, 2)))
    task = cj.KDE(cj.sources.table(tmp_path / "rows.npy"), 0.3)
    size = dict(num_real=[4], num_synthetic=[4], num_seeds=2, key=jax.random.key(0))
    with pytest.raises(ValueError, match="tune: task 'kde', with its source, has no rows for validation; leave it out"):
        cj.synthetic_value(task, **size, tune={"bandwidth": [0.1]})
    with pytest.raises(ValueError, match=r"num_steps=2\.5: must be a whole number"):
        dataclasses.replace(cj.Transformer(cj.sources.markov()), num_steps=2.5).check(10)
