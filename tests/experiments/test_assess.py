import json
import threading

import numpy as np
import pytest

import collapsejax as cj
from collapsejax.experiments.assess import _side_by_side, _Steps
from collapsejax.experiments.validated_bandwidth import density_loss, validated_bandwidth

SIZE = dict(num_samples=34, num_generations=8, num_seeds=10)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """44 rows: two columns of other scales, one that is constant and one that repeats, categories, missing cells."""
    rng = np.random.default_rng(0)
    height, home = rng.normal(170, 10, 44), rng.choice(["city", "village"], 44)
    income = 1e5 + 1e4 * rng.exponential(size=44)
    lines = ["height,income,planet,cents,home,name"]
    for number, (tall, money, place) in enumerate(zip(height, income, home, strict=True)):
        cells = ["" if number in (3, 20) else f"{tall:.1f}", f"{money:.0f}", "3", f"{100 * round(money)}"]
        lines.append(",".join([*cells, "" if number == 5 else place, f"person {number}"]))
    path = tmp_path_factory.mktemp("assess") / "people.csv"
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="module")
def found(path):
    return cj.assess(path, fresh=[0, 0.5, 1], tolerance=0.3, **SIZE)


def test_what_is_left_out_is_told(found):
    assert found.settings["columns"] == ("height", "income")
    assert set(found.left_out) == {"planet", "cents", "name"}
    assert "constant" in found.left_out["planet"]
    assert "44 different texts" in found.left_out["name"]
    text = found.text()
    assert "2 of 44 rows without a number in a used column were dropped (height 2)" in text
    assert "column 'home' is assessed as 2 categories" in text


def test_first_losses_are_those_of_all_real_rows(found, path):
    """With as many rows as there are to fit to, all seeds begin with them: no chance is in the first loss."""
    rows = cj.sources.table(path, columns=["height", "income"], missing="drop", standardize=True)
    train, test = np.asarray(rows.train, float), np.asarray(rows.test, float)
    assert (len(train), len(test)) == (34, 8)
    gaussian, kde = found.families
    factor = np.linalg.cholesky(np.cov(train, rowvar=False, ddof=0))
    scaled = np.linalg.solve(factor, (test - train.mean(axis=0)).T)
    loss = np.sum(scaled**2, axis=0).mean() / 2 + np.log(np.diagonal(factor)).sum() + np.log(2 * np.pi)
    assert gaussian.course("replace").mean[0] == pytest.approx(loss, rel=1e-5)
    loss = density_loss(train, test, found.settings["bandwidth"])
    assert kde.course("replace").mean[0] == pytest.approx(loss, rel=1e-4)


def test_workflows_and_shares(found):
    for family in found.families:
        growth = {course.workflow: course.growth.mean for course in family.courses}
        half, whole = "fresh 0.5 (17 of 34)", "fresh 1 (34 of 34)"
        assert list(growth) == ["replace", "accumulate", "accumulate-subsample", half, whole]
        assert growth["replace"][-1] > growth[half][-1]
        assert growth["replace"][-1] > growth["accumulate"][-1]
        assert np.abs(growth[whole]).max() < 1e-4  # the same rows in every generation
        assert family.needed.lower <= family.needed.share <= family.needed.upper
        assert family.needed.growth <= 0.3


def test_exact_means_are_of_theory(found):
    gaussian, kde = found.families
    assert gaussian.weightings
    assert not kde.weightings  # the law of a Gaussian's mean is not that of a KDE's
    name, curves = gaussian.spread
    assert name == "trace_ratio"
    assert curves["replace"] == pytest.approx((1 - 1 / 34) ** np.arange(8), rel=1e-4)


def test_numbers_can_be_written(found):
    numbers = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert numbers["settings"]["num_samples"] == 34
    assert {one["definition"] for one in numbers["families"][0]["diagnoses"]["replace"]["verdicts"]} >= {"any rise"}


def test_bandwidth_suits_the_rows(path):
    """The best of many by hand, on the validation rows alone."""
    rows = cj.sources.table(path, columns=["height", "income"], missing="drop", standardize=True)
    bandwidth, about = validated_bandwidth(rows, 20)
    known = np.asarray(rows.train, float)
    loss = lambda width: density_loss(known[7:], known[:7], width)
    assert loss(bandwidth) < min(loss(bandwidth / 4), loss(4 * bandwidth))
    assert "7 validation rows" in about


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(num_generations=7), "num_generations=7"),
        (dict(num_seeds=9), "num_seeds=9"),
        (dict(tolerance=-1), "tolerance=-1"),
        (dict(fresh=[1.5]), "fresh=1.5"),
        (dict(fresh=[]), "fresh"),
        (dict(num_samples=100), "num_samples=100"),
        (dict(columns=["hight"]), "height"),
    ],
)
def test_invalid_arguments(path, options, message):
    with pytest.raises(ValueError, match=message):
        cj.assess(path, **SIZE | options)


def test_a_file_that_is_no_table(tmp_path):
    """A text is not one, and the error says what to do."""
    path = tmp_path / "letter.txt"
    path.write_text("Dear Ann,\nit rains.\n")
    with pytest.raises(ValueError, match="is a folder"):
        cj.assess(path)


def test_small_tables_are_refused(tmp_path):
    path = tmp_path / "few.csv"
    path.write_text("a,b\n" + "\n".join(f"{n},{n * n % 7}" for n in range(29)))
    with pytest.raises(ValueError, match="29 rows"):
        cj.assess(path)
    path.write_text("a,b\n" + "\n".join(f"{n},{n * n % 7}" for n in range(40)))
    with pytest.raises(ValueError, match="too few for 2 columns"):
        cj.assess(path, num_samples=3)
    with pytest.raises(FileNotFoundError, match="no such file"):
        cj.assess(tmp_path / "none.csv")


def test_tables_that_were_read_before_are_checked_as_files_are(path, tmp_path):
    """With the columns that a file's assessment leaves out, they would end in a covariance without a factor."""
    whole = cj.sources.table(path, missing="drop")
    with pytest.raises(ValueError, match="'planet', 'cents'; leave it out"):
        cj.assess(whole, **SIZE)
    with pytest.raises(ValueError, match="a Table has its own"):
        cj.assess(whole, columns=["height"], **SIZE)
    (tmp_path / "letters").mkdir()
    with pytest.raises(ValueError, match="text has none"):
        cj.assess(tmp_path / "letters", columns=["height"])
    few = tmp_path / "few.csv"
    few.write_text("a\n" + "\n".join(map(str, range(29))))
    with pytest.raises(ValueError, match="29 rows"):
        cj.assess(cj.sources.table(few))


def test_an_interrupt_ends_all_threads_at_their_next_step():
    steps, reached = _Steps(lambda progress: None, 9), threading.Event()

    def endless():
        reached.set()
        while True:
            steps("simulating")

    def interrupted():
        reached.wait(60)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _side_by_side([interrupted, endless], steps.stop)
    with pytest.raises(KeyboardInterrupt):
        steps("more")
