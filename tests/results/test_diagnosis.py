import jax
import numpy as np
import pytest

import collapsejax as cj
from collapsejax.cli.main import main
from collapsejax.results.dataset import summarize, to_dataset
from collapsejax.results.diagnosis import DEFINITIONS

RNG = np.random.default_rng(0)


def of(metrics, num_samples=10, task="{}"):
    """Results of one workflow with these metrics (S, G), or (sizes, S, G) for several numbers of samples."""
    dims = {"workflow": ["replace"]} | ({"num_samples": num_samples} if np.ndim(num_samples) else {})
    metrics = {name: np.asarray(values)[None] for name, values in metrics.items()}
    return to_dataset(metrics, dims, num_samples, {"task": task})


def noisy(curve, num_seeds=400, sd=0.1):
    """A curve (..., G) times what is different for each seed."""
    return np.asarray(curve)[..., None, :] * np.exp(sd * RNG.normal(size=(num_seeds, 1)))


def verdicts(data, *more, **options):
    return {verdict.definition: verdict.verdict for verdict in cj.diagnose(data, *more, **options)}


TIME = np.arange(1.0, 65.0)


@pytest.mark.parametrize(
    ("curve", "power", "verdict"),
    [
        (0.2 + TIME, 1.0, "yes"),
        (3 + TIME**0.5, 0.5, "yes"),
        (1 + np.log(TIME), 0.0, "yes"),
        (9 - 5 / TIME, -1.0, "no"),
        (9 - 5 / TIME**2, -2.0, "no"),
    ],
)
def test_growth_is_told_from_convergence(curve, power, verdict):
    for name, values in (("kl", curve), ("trace_ratio", np.exp(-curve / 9))):
        sd = 0.1 if name == "kl" else 0.0
        judged = cj.diagnose(of({"kl": noisy(curve)} | {name: noisy(values, sd=sd)}))
        found = judged["diverging risk" if name == "kl" else "collapsing variance"]
        assert found.verdict == verdict
        assert found.statistic == pytest.approx(power, abs=max(5 * found.standard_error, 1e-3))


def test_what_only_rises_and_falls_by_chance_does_not_diverge():
    judged = cj.diagnose(of({"kl": np.exp(0.2 * RNG.normal(size=(400, 64)))}))
    assert judged["diverging risk"].verdict == judged["any rise"].verdict == "no"
    few = cj.diagnose(of({"kl": np.exp(2 * RNG.normal(size=(400, 64)))}))
    assert few["any rise"].verdict == "cannot tell"
    assert "seeds" in few["any rise"].about


def test_a_small_rise_is_seen_by_pairs_of_seeds():
    """Of 5 %, where seeds differ by a factor; a baseline of other seeds does not show it."""
    data = of({"kl": noisy(np.linspace(1, 1.05, 64), sd=1.0)})
    judged = cj.diagnose(data)["any rise"]
    assert judged.verdict == "yes"
    assert judged.statistic == pytest.approx(np.log(1.05), rel=1e-3)
    other = of({"kl": noisy(np.linspace(1, 1.0, 64), sd=1.0)})
    assert cj.diagnose(data, other)["any rise"].verdict == "cannot tell"


def test_the_last_of_the_baseline_counts():
    data, other = of({"kl": noisy(np.linspace(1, 4, 64))}), of({"kl": noisy(np.linspace(1, 5, 64))})
    assert [verdicts(*pair)["any rise"] for pair in ((data,), (data, other), (other, data))] == ["yes", "no", "yes"]


def test_the_largest_number_of_samples_counts():
    curves = np.stack([np.ones(64), TIME])
    for sizes, rise in (([10, 100], "yes"), ([100, 10], "no")):
        judged = cj.diagnose(of({"kl": noisy(curves)}, sizes))
        assert judged["any rise"].verdict == judged["diverging risk"].verdict == rise
        assert "num_samples=100" in judged.title


def test_few_seeds_decide_nothing():
    """Of a log-normal risk whose median falls the mean rises, since some seeds have 10^5 times as much as others."""
    walk = np.exp(np.cumsum(RNG.normal(-0.3, 1.2, (400, 64)), axis=1))
    assert walk[:, -1].mean() > 10 * walk[:, 0].mean()
    assert verdicts(of({"kl": walk}))["any rise"] == "no"
    assert verdicts(of({"kl": 1 / walk}))["any rise"] == "yes"
    nine = cj.diagnose(of({"kl": noisy(TIME)}).isel(seed=slice(9)))
    assert {verdict.verdict for verdict in nine} == {"cannot tell"}
    assert "9 seeds, needs 10" in nine["any rise"].about


@pytest.mark.parametrize(
    ("metric", "curve", "verdict"),
    [
        ("sq_error", np.geomspace(1, 9, 64), "no"),
        ("sq_error", np.geomspace(1, 11, 64), "yes"),
        ("sq_error", np.append(np.ones(63), np.inf), "yes"),
        ("test_nll", np.linspace(-5, -2.8, 64), "no"),  # a likelihood of a ninth
        ("test_nll", np.linspace(-5, -2.6, 64), "yes"),
    ],
)
def test_catastrophes(metric, curve, verdict):
    assert verdicts(of({metric: noisy(curve, sd=0.01)}))["catastrophic rise"] == verdict


def test_a_language_model_that_guesses_is_a_catastrophe():
    """Of 8 symbols: nats a token of a uniform guess are 2.08."""
    for last, verdict in ((2.0, "no"), (2.2, "yes")):
        loss = np.linspace(1.5, last, 10) + 0.01 * RNG.normal(size=(20, 1))
        assert verdicts(of({"test_loss": loss}, task='{"source": {"vocab": 8}}'))["catastrophic rise"] == verdict
        characters = '{"source": {"tokenizer": {"alphabet": "abcdefgh"}}}'
        assert verdicts(of({"test_loss": loss}, task=characters))["catastrophic rise"] == verdict
        assert verdicts(of({"test_loss": loss}))["catastrophic rise"] == "no"


def test_scaling_laws():
    sizes = np.array([10, 30, 100])
    for power, verdict in ((-1.0, "no"), (-0.95, "no"), (-0.8, "yes"), (-1.2, "yes")):
        curve = np.geomspace(1 / sizes, 50.0 * sizes**power, 8, axis=1)
        judged = cj.diagnose(of({"test_nll": noisy(curve), "mean_sq_error": noisy(curve)}, sizes))["scaling law"]
        assert judged.verdict == verdict
        assert judged.statistic == pytest.approx(abs(power + 1), abs=1e-3)
    for data in (
        of({"kl": noisy(TIME)}),
        of({"test_nll": noisy(curve)}, sizes),
        of({"kl": noisy(curve[:2])}, sizes[:2]),
    ):
        judged = cj.diagnose(data)["scaling law"]
        assert (judged.verdict, judged.statistic) == ("cannot tell", None)
        assert judged.about.startswith("needs")


def test_tails_modes_and_hallucinations():
    share = lambda first, last: np.linspace(first, last, 64) + 0.005 * RNG.normal(size=(100, 64)).round()
    risk = {"kl": noisy(TIME, 100)}
    shares = {"tail_share": share(0.05, 0.0), "improbable_share": share(0, 0.2), "entangled_share": share(0.1, 0.2)}
    assert [*verdicts(of(risk | shares)).values()][-3:] == ["yes"] * 3
    shares = {"tail_share": share(0.3, 0.04), "improbable_share": share(0.2, 0.2), "entangled_share": share(0.2, 0.1)}
    assert [*verdicts(of(risk | shares)).values()][-3:] == ["no"] * 3
    for last, verdict in ((3, "yes"), (0, "no")):
        lost = RNG.poisson(5, size=(100, 1)) + np.linspace(0, last, 64).round()
        assert verdicts(of(risk | {"num_extinct": lost}))["lost tails"] == verdict


def test_variance_that_is_gone_has_collapsed():
    left = noisy(np.r_[np.linspace(1, 0.5, 40), np.zeros(24)])
    judged = cj.diagnose(of({"kl": noisy(TIME), "heterozygosity": left}))["collapsing variance"]
    assert (judged.verdict, judged.statistic, judged.standard_error) == ("yes", np.inf, 0)


def test_summaries_say_the_same():
    data = of({"kl": noisy(0.2 + TIME), "trace_ratio": noisy(np.exp(-TIME / 30), sd=0.02)})
    summary = data.drop_vars(("seed", "kl", "trace_ratio"))
    for name in ("kl", "trace_ratio"):
        summary[name] = summarize(data[name])
    seeds, summarized = cj.diagnose(data), cj.diagnose(summary)
    assert [v.verdict for v in seeds] == [v.verdict for v in summarized]
    for a, b in zip(seeds, summarized, strict=True):
        assert a.statistic == pytest.approx(b.statistic, rel=0.01) if a.statistic else b.statistic is None
    # Seeds know that those with more had more before; of two medians of as many normal variables each is known to 1.35
    # standard deviations over the root of their number.
    assert seeds["any rise"].standard_error < 1e-3
    assert summarized["any rise"].standard_error == pytest.approx(np.sqrt(2) * 1.35 * 0.1 / 20, rel=0.25)
    assert "400 seeds" in summarized.title


def test_what_is_not_finite_is_said_to_be():
    values = noisy(TIME)
    values[:3, -1] = np.nan  # of seeds that are not there yet
    judged = cj.diagnose(of({"kl": values}))["any rise"]
    assert (judged.verdict, judged.statistic) == ("cannot tell", None)
    assert "not finite" in judged.about
    fallback = cj.diagnose(of({"kl": np.full((20, 8), np.inf), "mean_sq_error": noisy(TIME[:8], 20)}))
    assert "mean_sq_error" in fallback.title


def test_mistakes_are_named():
    data = to_dataset({"kl": np.ones((2, 12, 9))}, {"workflow": ["replace", "accumulate"]}, 10, {})
    with pytest.raises(ValueError, match=r"result: has workflows replace, accumulate; choose one with .sel"):
        cj.diagnose(data)
    one = data.sel(workflow="replace")
    with pytest.raises(ValueError, match="baseline: has workflows replace"):
        cj.diagnose(one, data)
    with pytest.raises(ValueError, match="metric 'lk': no such metric; did you mean 'kl'"):
        cj.diagnose(one, loss="lk")
    with pytest.raises(ValueError, match="none of its metrics is a known loss; give loss, one of mine"):
        cj.diagnose(one.rename(kl="mine"))
    with pytest.raises(ValueError, match="baseline: has no kl; compare results of the same task"):
        cj.diagnose(one, one.rename(kl="mine"))
    swept = to_dataset({"kl": np.ones((2, 1, 12, 9))}, {"dim": [1, 2], "workflow": ["replace"]}, 10, {})
    with pytest.raises(ValueError, match=r"result: has dimensions dim; choose a value of each with .sel"):
        cj.diagnose(swept)


WORKFLOWS = ("replace", "accumulate", "weighted")


@pytest.fixture(scope="module")
def gaussians():
    sizes = dict(over={"num_samples": [10, 20, 40]}, num_generations=40, num_seeds=4000, key=jax.random.key(7))
    return cj.sweep(cj.Gaussian(2), [cj.Replace(), cj.Accumulate(), cj.Weighted(1.0)], **sizes)


@pytest.mark.slow
def test_gaussians_are_as_theory_has_them(gaussians):
    """THEORY: under replace log-determinants fall by as much in each generation, and all else with them."""
    judged = {name: cj.diagnose(gaussians.sel(workflow=name)) for name in WORKFLOWS}
    found = {name: [verdict.verdict for verdict in judged[name]] for name in WORKFLOWS}
    unknown = "cannot tell"
    assert found["replace"] == ["yes", "yes", "yes", "no", "yes", *[unknown] * 3]
    assert found["accumulate"] == ["no", "yes", "no", "no", "no", *[unknown] * 3]
    assert found["weighted"] == ["no", "no", "no", "no", "no", *[unknown] * 3]
    power = judged["replace"]["diverging risk"]
    assert abs(power.statistic - 1) < 5 * power.standard_error < 0.5
    # Of n times the error accumulate's plateau is 1.62 times what it is at first, the sum of 1 / t^2 up to 40.
    rise = judged["accumulate"]["any rise"]
    assert abs(rise.statistic - np.log(1.62)) < 5 * rise.standard_error < 0.15
    errors = {name: verdicts(gaussians.sel(workflow=name), loss="mean_sq_error") for name in WORKFLOWS}
    assert [errors[name]["scaling law"] for name in WORKFLOWS] == ["yes", "no", "no"]


@pytest.mark.slow
def test_a_baseline_of_real_data_says_the_same(gaussians):
    real = gaussians.sel(workflow="weighted")
    for name in ("replace", "accumulate"):
        data = gaussians.sel(workflow=name)
        assert verdicts(data, real) == verdicts(data)
    assert verdicts(real, gaussians.sel(workflow="replace"))["any rise"] == "no"


@pytest.mark.slow
def test_real_data_with_a_planted_rise_are_found_out(gaussians):
    real = gaussians.sel(workflow="weighted").copy(deep=True)
    real.kl[..., -1] *= 1.3
    assert verdicts(real)["any rise"] == "yes"


def test_a_diagnosis_is_a_table():
    judged = cj.diagnose(of({"kl": noisy(0.2 + TIME), "trace_ratio": noisy(np.exp(-TIME / 30), sd=0.02)}, 40))
    title, heading, rule, *rows, footnote = judged.table(200).splitlines()
    assert title.startswith("replace (num_samples=40, 400 seeds, 64 generations) against its first generation")
    assert heading.split()[:4] == ["definition", "verdict", "statistic", "s.e."]
    assert set(rule) == {"-"}
    assert [row.split("  ")[0] for row in rows] == list(DEFINITIONS)
    told = list(zip(rows, judged, strict=True))
    assert len({row.index(one.about) for row, one in told if "*" not in row}) == 1
    assert [one.definition for row, one in zip(rows, judged, strict=True) if "*" in row] == [
        "entangled modes",
        "lost tails",
        "hallucinated data",
    ]
    assert footnote == "* needs a sweep of cj.Probed(task), for real data of known density"
    assert "nan" not in str(judged)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_diagnosis_fits(width):
    judged = cj.diagnose(of({"kl": noisy(0.2 + TIME), "trace_ratio": noisy(np.exp(-TIME / 30), sd=0.02)}, 40))
    lines = judged.table(width).splitlines()
    assert max(map(len, lines)) <= width
    assert " ".join(" ".join(lines).split()).count("needs a sweep of cj.Probed(task)") == 1


def test_the_command_prints_one_for_each_workflow(tmp_path, capsys):
    curves = np.stack([noisy(TIME), noisy(1 + np.log(TIME)), noisy(np.ones(64))])
    cj.save(to_dataset({"kl": curves, "mean_sq_error": curves}, {"workflow": list(WORKFLOWS)}, 10, {}), tmp_path / "g")
    main(["diagnose", str(tmp_path / "g"), "--workflow", "replace", "accumulate", "--against", "weighted"])
    out = capsys.readouterr().out
    assert [line.split(" (")[0] for line in out.splitlines() if "against" in line] == ["replace", "accumulate"]
    assert " ".join(out.split()).count("against weighted, last generation; risk: kl") == 2
    assert out.count("hallucinated data") == 2
    other = ["--baseline", str(tmp_path / "g"), "--against", "weighted", "--loss", "mean_sq_error"]
    main(["diagnose", str(tmp_path / "g"), *other])
    assert capsys.readouterr().out.count("risk: mean_sq_error") == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workflow", "replac"], "workflow 'replac': is not in the results; did you mean 'replace'?"),
        (["--against", "acumulate"], "workflow 'acumulate': is not in the results; did you mean 'accumulate'?"),
        (["--loss", "lk"], "metric 'lk': no such metric; did you mean 'kl'?"),
        (["--baseline", "{store}"], "baseline={store}: choose one of its workflows with --against"),
    ],
)
def test_mistakes_are_one_line(arguments, message, tmp_path, capsys):
    store = tmp_path / "g"
    cj.save(to_dataset({"kl": np.ones((2, 12, 9))}, {"workflow": ["replace", "accumulate"]}, 10, {}), store)
    with pytest.raises(SystemExit) as leaving:
        main(["diagnose", str(store), *(argument.format(store=store) for argument in arguments)])
    assert leaving.value.code == 2
    assert capsys.readouterr().err == f"collapsejax: {message.format(store=store)}\n"


def test_each_cell_of_a_sweep_has_its_own(tmp_path, capsys):
    swept = to_dataset({"kl": np.ones((2, 1, 12, 9))}, {"dim": [1, 2], "workflow": ["replace"]}, 10, {})
    cj.save(swept, tmp_path / "g")
    main(["diagnose", str(tmp_path / "g")])
    assert [line.split(" (")[0] for line in capsys.readouterr().out.splitlines() if "against" in line] == [
        "dim=1, replace",
        "dim=2, replace",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("workflow", "lost"), [(cj.Replace(), "yes"), (cj.Weighted(1.0), "no")])
def test_gaussians_lose_their_tails_and_hallucinate_nothing(key, workflow, lost):
    sizes = dict(num_samples=20, num_generations=60, num_seeds=200, key=key)
    data = cj.sweep(cj.Probed(cj.Gaussian(1)), [workflow], **sizes)
    found = verdicts(data)
    assert (found["lost tails"], found["hallucinated data"], found["entangled modes"]) == (lost, "no", "cannot tell")
    assert data.tail_share.attrs["long_name"] == "Rows in the true law's tail of 5 %"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "under_replace"),
    [
        # t d / (n - d - 1) for every n; under accumulate at most pi^2 / 6 times the first.
        (cj.LinearRegression(3), {"catastrophic rise": "yes", "diverging risk": "yes", "scaling law": "no"}),
        (cj.LinearRegression(3, refit_noise=True), {"collapsing variance": "yes"}),
        (cj.Categorical(100, "zipf"), {"lost tails": "yes", "collapsing variance": "yes"}),
    ],
)
def test_other_tasks_are_as_theory_has_them(key, task, under_replace):
    sizes = dict(over={"num_samples": [10, 30, 100]}, num_generations=40, num_seeds=4000, key=key)
    data = cj.sweep(task, ["replace", "accumulate"], **sizes)
    replace, accumulate = (verdicts(data.sel(workflow=name)) for name in ("replace", "accumulate"))
    assert {name: replace[name] for name in under_replace} == under_replace
    assert {accumulate[name] for name in under_replace} == {"no"}
    assert replace["any rise"] == accumulate["any rise"] == "yes"


@pytest.mark.slow
def test_blurred_blobs_are_entangled_and_hallucinate(key):
    """A kernel density estimate of fixed bandwidth adds its kernel's variance in each generation."""
    task = cj.Probed(cj.KDE(cj.sources.blobs(), 0.5))
    sizes = dict(num_samples=100, num_generations=40, num_seeds=200, key=key)
    data = cj.sweep(task, [cj.Replace(), cj.Weighted(1.0)], **sizes)
    blurred, real = (verdicts(data.sel(workflow=name)) for name in ("replace", "weighted"))
    assert [blurred[name] for name in ("catastrophic rise", "diverging risk")] == ["yes"] * 2
    assert [blurred[name] for name in ("entangled modes", "lost tails", "hallucinated data")] == ["yes", "no", "yes"]
    assert [real[name] for name in ("any rise", "lost tails", "hallucinated data")] == ["no"] * 3
    assert real["entangled modes"] != "yes"
