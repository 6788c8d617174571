import dataclasses
import json
import re

import numpy as np
import pytest
from assessments import LENGTH, losses, made_up

from collapsejax.experiments.categories import categories
from collapsejax.experiments.findings import Course
from collapsejax.pages import html_of
from collapsejax.theory import outcomes


def test_a_course_says_when_the_loss_exceeds_the_tolerance():
    course = Course.of("replace", 0.0, losses(0.03), 0.1)
    assert course.reached_early <= course.reached == 4 <= course.reached_late
    assert course.growth.mean[-1] == pytest.approx(0.33, abs=0.02)
    infinite = losses(0.03)
    infinite[0, 3:] = np.inf
    course = Course.of("replace", 0.0, infinite, 0.1)
    assert course.reached == 3
    assert not any(np.isnan(values).any() for values in (course.mean, course.low, course.high, *course.growth))


def test_text_has_the_numbers():
    found = made_up()
    text = " ".join(found.text().split())
    replace = found.families[0].course("replace")
    assert f"grown by 0.1 in generation {replace.reached}" in text
    assert f"in the end it has grown by {replace.growth.mean[-1]:.3g}" in text
    assert "in the end it has become infinite" in text
    assert "loss of the Gaussian has fallen by 0.1" in text
    assert "At least 40 % of the rows of every training set must be fresh" in text
    assert "(35 % to 50 %): 8 of 20 in each generation" in text
    assert "rows with high income <$>: 3 % of the real rows lie above" in text
    assert "it shrinks: its variance ends at 0.4 times" in text
    assert "More likely lost than not: 'island'" in text
    assert "column 'id' numbers the rows, and is not assessed" in text
    assert not re.search(r"\b(nan|inf)\b", text)
    assert max(map(len, found.text().splitlines())) <= 79


def test_json_is_strict_and_complete():
    found = made_up()
    numbers = json.loads(json.dumps(found.to_json(), allow_nan=False))
    replace = numbers["families"][0]["courses"][0]
    assert replace["growth"]["mean"] == pytest.approx(found.families[0].courses[0].growth.mean)
    assert numbers["families"][1]["courses"][0]["mean"][1] is None  # infinite
    assert numbers["families"][0]["needed"]["num_fresh"] == 8
    assert numbers["categories"][0]["survival"][-1] == pytest.approx(found.categories[0].survival[-1])
    assert numbers["text"] == found.text()


def test_page_has_every_figure_and_the_same_numbers():
    found = made_up()
    page = html_of(found.page("collapsejax assess people.csv"))
    assert page.count("<svg") == 2 * 3 + 1
    for expected in ("40 %", "35 % to 50 %", "income &lt;$&gt;", "island"):
        assert expected in page
    assert "collapsejax assess people.csv" in re.sub(r"<[^>]+>", "", page)
    assert f"{found.families[0].courses[0].growth.mean[-1]:.3f}" in page


def test_page_tells_only_methods_that_were_used():
    found = made_up()
    whole = html_of(found.page("c"))
    assert "Wright-Fisher" in whole
    assert "bisection" in whole
    families = [dataclasses.replace(one, needed=None, spread=("", {})) for one in found.families]
    less = html_of(dataclasses.replace(found, families=tuple(families), categories=()).page("c"))
    assert not any(word in less for word in ("Wright-Fisher", "bisection", "collapsejax.theory"))


def test_categories_are_exact():
    column = categories("home", ["a"] * 70 + ["b"] * 29 + ["c"], num_samples=10, num_generations=LENGTH)
    shares = np.array([0.7, 0.29, 0.01])
    survival = outcomes.replace_survival(shares, 10, LENGTH)
    np.testing.assert_allclose(column.survival, survival)
    np.testing.assert_allclose(column.survivors["replace"], survival.sum(axis=1))
    assert column.labels == ("a", "b", "c")
    assert column.lost() == ["c", "b"]
    assert dataclasses.replace(column, survival=np.ones((1, 3))).lost() == []


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (["x"] * 9, "one category"),
        ([str(number) for number in range(50)], "50 different texts in 50 cells"),
    ],
)
def test_what_is_no_column_of_categories(cells, reason):
    assert reason in categories("name", cells, num_samples=10, num_generations=8)
