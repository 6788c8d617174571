"""What an assessment says, in plain words."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

import numpy as np

from .categories import Categories
from .columns import TAIL, Column
from .findings import Course, Family, Findings
from .weighting import Weighting

_WIDTH = 79
_CLEAR = 3.0  # standard errors by which columns differ
_VERDICTS = {"yes": "meets", "no": "does not meet", "cannot tell": "and open are"}
_FEW = 4  # categories, or ends of columns, that are named
_SMALL = 0.005  # of the real rows: an end that so few of them leave is not lost


def text(found: Findings) -> str:
    """The whole assessment, in lines of at most 79 characters but for names."""
    parts = [
        _what_was_read(found),
        *textwrap.wrap(what_was_run(found), _WIDTH),
        "",
        "In short",
        *_bullets(short(found)),
        "",
    ]
    for family in found.families:
        parts += [f"{family.model} ({family.about})", "", *_table(found, family), "", *_bullets(details(family)), ""]
    if found.categories:
        parts += ["Categories (exact, each column by itself)", *_bullets(map(category, found.categories)), ""]
    parts += ["What this does not know", *_bullets(unknown(found))]
    return "\n".join(parts)


def unknown(found: Findings) -> list[str]:
    """What the assessment does not know, in sentences."""
    run, families = found.settings, " and a ".join(family.model for family in found.families)
    n, rows = run["num_samples"], run["num_rows"]
    law = " Under replace a Gaussian's variance falls by the factor 1 - 1/n in each generation (exact)."
    law = law if "Gaussian" in families else ""
    said = [
        f"Other models than a {families}: they may keep, and lose, other things.",
        f"Other sizes. Models here are fitted to {n} rows of {rows}; of more rows they change more slowly.{law}",
        f"What is after generation {run['num_generations'] - 1}.",
        f"Data that change with time, and rows unlike these: fresh rows are drawn from the {rows} of this file.",
        f"How other held-out rows would do: intervals are over {run['num_seeds']} repetitions, all of which share the "
        f"{run['num_test']} held-out rows.",
    ]
    if found.categories:
        said.append("How categories go with one another and with numbers.")
    return said


def _what_was_read(found: Findings) -> str:
    lines = list(found.source)
    lines += [f"  column {column.name!r} is assessed as {len(column.labels)} categories" for column in found.categories]
    lines += [f"  column {name!r} {reason}, and is not assessed" for name, reason in found.left_out.items()]
    return "\n".join([*lines, ""])


def what_was_run(found: Findings) -> str:
    """Sizes, seconds, and what the loss is, in a few sentences."""
    run = found.settings
    units = found.families[0].units
    return (
        f"Generation 0 is fitted to {run['num_samples']} real rows, each later one to as many, through generation "
        f"{run['num_generations'] - 1}; {run['num_seeds']} repetitions, {run['seconds']:.0f} s. The loss is the mean "
        f"negative log-likelihood of {run['num_test']} held-out rows in {units}: one nat more, and {units[5:]} is 2.7 "
        f"times less likely. Intervals are of 95 %; the tolerance is {run['tolerance']:g} {units}."
    )


def _bullets(sentences: Iterable[str]) -> list[str]:
    return [textwrap.fill(one, _WIDTH, initial_indent="- ", subsequent_indent="  ") for one in sentences]


def short(found: Findings) -> Iterator[str]:
    """The answer in a few sentences."""
    tolerance = found.settings["tolerance"]
    yield _verdict(found)
    for family in found.families:
        replace = family.course("replace")
        yield (
            f"If each {family.model} learns from rows of the last one alone (replace), its loss has grown by "
            f"{tolerance:g} {_reached(replace)}; in the end it has {_change(replace)}."
        )
    for family in found.families:
        course, part = family.course("accumulate"), family.course("accumulate-subsample")
        yield (
            f"If all data are kept (accumulate), the loss of the {family.model} has {_change(course)} in the end; if "
            "each learns from a random part of these, as large as a batch (accumulate-subsample), it has "
            f"{_change(part)}."
        )
    for family in found.families:
        yield _needed(family) if family.needed else _least_tried(family, tolerance)


def _verdict(found: Findings) -> str:
    """Whether the loss grows beyond the tolerance under replace, and how many rows must be fresh for all models."""
    worse = [family.model for family in found.families if family.course("replace").reached_late is not None]
    models = " and ".join(f"a {family.model}" for family in found.families)
    if not worse:
        return (
            f"Under replace it is not sure that {models} of these data come to lose more than the tolerance within "
            f"{found.settings['num_generations']} generations."
        )
    told = (
        f"Yes: if models learn from rows of the last one alone, a {' and a '.join(worse)} of these data come to lose "
    )
    told += "more than the tolerance."
    shares = [family.needed.share for family in found.families if family.needed]
    if len(shares) == len(found.families) > 1:
        told += f" With at least {percent(max(shares))} of fresh rows no one of the models does."
    return told


def _least_tried(family: Family, tolerance: float) -> str:
    """Of the shares of fresh rows that were tried, the least that is enough."""
    tried = [course for course in family.courses if course.fresh]
    enough = [course.workflow for course in tried if course.reached_early is None]
    unsure = [course.workflow for course in tried if course.reached_early is not None and course.reached_late is None]
    bound = f"keeps the loss of the {family.model} within {tolerance:g} {family.units}"
    if not tried:
        return "No share of fresh rows was tried."
    told = (
        f"Of the shares tried, {enough[0]} is the least that surely {bound}"
        if enough
        else f"No share tried surely {bound}"
    )
    return f"{told}; of {', '.join(unsure)} the seeds cannot tell." if unsure else f"{told}."


def _needed(family: Family) -> str:
    found = family.needed
    bound = f"to keep the loss of the {family.model} within {found.tolerance:g} {found.units}"
    interval = "exact" if found.exact else f"{percent(found.lower)} to {percent(found.upper)}"
    if found.share == 0:
        return f"No fresh rows are needed {bound} ({interval})."
    if found.share == 1:
        return f"All rows must be fresh {bound} ({interval})."
    return (
        f"At least {percent(found.share)} of the rows of every training set must be fresh {bound} ({interval}): "
        f"{found.num_fresh} of {found.num_samples} in each generation."
    )


def percent(share: float) -> str:
    """A share in whole per cent."""
    return f"{100 * share:.0f} %"


def _reached(course: Course) -> str:
    """When the growth exceeds the tolerance."""
    if course.reached is None:
        early = course.reached_early
        return "in no generation" + (f" (at the earliest in generation {early})" if early is not None else "")
    early, late = course.reached_early, course.reached_late
    if early == late:
        return f"in generation {course.reached}"
    return f"in generation {course.reached} ({early} to {'after the last' if late is None else late})"


def _change(course: Course) -> str:
    mean = course.growth.mean[-1]
    if not np.isfinite(mean):
        return "become infinite, as some repetitions give a held-out row no density"
    verb, sign = ("grown", 1) if mean >= 0 else ("fallen", -1)
    low, high = sorted(sign * course.growth.at(side)[-1] for side in (-1, 1))
    return f"{verb} by {sign * mean:.3g} ({low:.3g} to {high:.3g})"


def _table(found: Findings, family: Family) -> list[str]:
    length, tolerance = found.settings["num_generations"], found.settings["tolerance"]
    shown = shown_generations(length)
    wide = max(len(course.workflow) for course in family.courses)
    lines = [
        "  growth of the loss in generation",
        f"  {'':{wide}}" + "".join(f"{g:>8}" for g in shown) + f"  over {tolerance:g} in",
    ]
    for course in family.courses:
        cells = "".join(f"{number(course.growth.mean[g]):>8}" for g in shown)
        reached = "-" if course.reached is None else str(course.reached)
        lines.append(f"  {course.workflow:{wide}}{cells}  {reached}")
    return lines


def shown_generations(num_generations: int) -> list[int]:
    """The generations of a table."""
    return sorted({min(g, num_generations - 1) for g in (1, 2, 5, 10)} | {num_generations - 1})


def number(growth: float) -> str:
    """A growth with three decimals, or three digits where it is large."""
    if not np.isfinite(growth):
        return "\N{INFINITY}"
    return f"{round(growth, 3) + 0.0:.3f}" if abs(growth) < 10 else f"{growth:.3g}"  # no -0.000


def details(family: Family) -> Iterator[str]:
    """What is behind the answer for one kind of model, in sentences."""
    metric, curves = family.spread
    if "replace" in curves:
        last = float(curves["replace"][-1])
        verb = "shrinks" if last < curves["replace"][0] else "spreads"
        others = ", ".join(f"{float(of[-1]):.3g} under {name}" for name, of in curves.items() if name != "replace")
        yield (
            f"Under replace it {verb}: its variance ends at {last:.3g} times that of the real rows ({others}). These "
            f"are exact means, of {metric}."
        )
        if family.model == "KDE":
            yield "A KDE adds the square of its bandwidth to the variance in each generation, whatever the data are."
    for generation, texts in family.written.items():
        yield f"Under replace {generation} writes: {' / '.join(texts)}"
    if family.columns:
        yield _which_column(family.columns)
        yield _which_rows(family.columns)
    if family.outlying:
        first, last, error = family.outlying
        unclear = "does not clearly change"
        moved = "rises" if last - first > _CLEAR * error else "falls" if first - last > _CLEAR * error else unclear
        yield (
            f"The share of written rows that lie further out than {percent(1 - TAIL)} of the real ones {moved}: "
            f"{percent(first)} at first, {percent(last)} in the end."
        )
    if family.weightings:
        yield _weights(family.weightings)
    for workflow, diagnosis in family.diagnoses.items():
        by_verdict = {
            words: [one.definition for one in diagnosis if one.verdict == verdict]
            for verdict, words in _VERDICTS.items()
        }
        told = "; ".join(f"{words} {', '.join(names)}" for words, names in by_verdict.items() if names)
        yield f"Of the eight definitions of collapse, {workflow} {told}."


def _weights(weightings: tuple[Weighting, ...]) -> str:
    total = weightings[0].num_fresh + weightings[0].num_synthetic
    parts = [
        f"with {one.num_fresh} of {total} fresh {one.equal:.3g}, and {one.best:.3g} if a fresh row weighs "
        f"{one.ratio:.2g} times as much as a synthetic one"
        for one in weightings
    ]
    return (
        "Weights: the squared error of a fitted mean is in the long run, in units of that of real rows alone, "
        f"{'; '.join(parts)} (exact, and best for the mean)."
    )


def _which_column(columns: tuple[Column, ...]) -> str:
    grown = [column.shift[1] - column.shift[0] for column in columns]
    first, last = columns[0], columns[-1]
    if len(columns) > 1 and grown[0] - grown[-1] < _CLEAR * np.hypot(first.shift[2], last.shift[2]):
        return (
            "No column changes clearly more than the others under replace: their cumulative distributions are off by "
            f"about {first.shift[0]:.2f} at first and {first.shift[1]:.2f} in the end."
        )
    told = f"Under replace {first.name} changes most: its cumulative distribution is off by {first.shift[0]:.2f} at "
    told += f"first and {first.shift[1]:.2f} in the end"
    if len(columns) > 1:
        told += f"; {last.name} changes least, from {last.shift[0]:.2f} to {last.shift[1]:.2f}"
    return f"{told}."


def _which_rows(columns: tuple[Column, ...]) -> str:
    """The end of a column at which most real rows are no longer covered."""
    ends = [(column.name, side, getattr(column, side)) for column in columns for side in ("below", "above")]
    lost = lambda end: end[2][1] - end[2][0]
    name, side, (first, last, error) = most = max(ends, key=lost)
    if last - first < max(_CLEAR * error, _SMALL):
        return "No end of a column is lost under replace."
    words = {"below": "low", "above": "high"}
    alike = [
        f"{words[end[1]]} {end[0]}"
        for end in sorted(ends, key=lost, reverse=True)
        if end is not most and last - first - lost(end) < _CLEAR * np.hypot(error, end[2][2])
    ]
    others = f"; not clearly less so those with {', '.join(alike[:_FEW])}" if alike else ""
    return (
        f"Lost most under replace are rows with {words[side]} {name}: {percent(first)} of the real rows lie {side} the "
        f"middle 95 % of what the models write at first, {percent(last)} in the end{others}."
    )


def category(column: Categories) -> str:
    """What becomes of a column of categories, in a few sentences."""
    number, survivors = len(column.labels), column.survivors
    first, last = survivors["replace"][0], survivors["replace"][-1]
    told = (
        f"{column.name}: of {number} categories the first model has {first:.3g}, the last one {last:.3g} under replace"
    )
    told += f", {survivors['accumulate'][-1]:.3g} under accumulate" if "accumulate" in survivors else ""
    if (entropy := column.entropy.get("replace")) is not None:
        told += f"; the entropy falls from {entropy[0]:.3g} to {entropy[-1]:.3g} nats under replace"
    lost = column.lost()
    if not lost:
        return f"{told}. None is more likely lost than not."
    named = ", ".join(f"{label!r}" for label in lost[:_FEW])
    more = f" and {len(lost) - _FEW} more" if len(lost) > _FEW else ""
    return f"{told}. More likely lost than not: {named}{more}. Fresh rows would bring them back."
