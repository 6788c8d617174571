from collapsejax.pages import html_of
from collapsejax.validation.page import validation_page
from collapsejax.validation.validate import Comparison, Report


def report(*z, planted=None):
    """Of z-scores at two iterations of each of two tasks."""
    where = [("gaussian", "gaussian(dim=1), replace", 10), ("kde", "kde(bandwidth=0.3), window(num_batches=3)", 12)]
    made = [
        Comparison(*where[place // 2], "trace_ratio", 1 + place % 2, 1 + 0.1 * score, 0.1, 1.0)
        for place, score in enumerate(z)
    ]
    return Report(made, 2, 100, 0, made[0] if planted else None, 1.0)


def test_the_page_has_each_curve_where_it_is_furthest_off():
    page = validation_page(report(0.5, -1.5, 1.0, -0.25), "collapsejax validate")
    assert page.summary[0] == "Simulated means agree with the exact ones, in 2 cells of 100 seeds."
    assert [one.value for one in page.key_numbers] == ["1.50", "0.944", "4"]
    gaussian, kde = page.sections[1].blocks
    assert [(row[3], row[-1]) for row in gaussian.rows + kde.rows] == [(2, "-1.50"), (1, "+1.00")]
    assert "collapsejax</span>" in html_of(page)


def test_disagreement_and_what_was_planted_are_said():
    page = validation_page(report(9.0, 0.1, 0.1, 0.1, planted=True), "collapsejax validate")
    assert "do not agree" in page.summary[0]
    planted = "An error was planted: trace_ratio of gaussian(dim=1), replace, n = 10; so many seeds are sure to find "
    assert page.summary[-1].startswith(planted)
