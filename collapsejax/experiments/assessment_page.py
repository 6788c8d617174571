"""The page of an assessment."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..pages.diagnoses import diagnosis_table
from ..pages.parts import Block, Bullets, Cell, Facts, KeyNumber, Page, Picture, Section, Table, with_error
from ..plots import assessment as figures
from ..plots.style import Figure
from .categories import Categories
from .findings import Family, Findings
from .plain_words import category, details, number, percent, short, shown_generations, unknown, what_was_run

_MOST_COLUMNS = 12  # of a figure
_LOW, _HIGH = "below (first, last)", "above (first, last)"


def assessment_page(found: Findings, command: str) -> Page:
    """The page of an assessment; `command` repeats it."""
    settings = dict(found.settings)
    versions = settings.pop("versions")
    sections = [Section("What was read", [found.source[0], *_read(found), what_was_run(found)])]
    sections += [_section(found, family) for family in found.families]
    if found.categories:
        sections.append(Section("Categories", list(_categories(found.categories))))
    shown = {name: ", ".join(map(str, one)) if isinstance(one, tuple) else one for name, one in settings.items()}
    sections += [
        Section("What this does not know", [Bullets(unknown(found))]),
        Section("Settings", [Facts(shown)]),
        Section("Methods", [Bullets(list(_methods(found)))]),
    ]
    return Page(
        title=f"What models that learn from models would make of {found.name}",
        summary=list(short(found)),
        key_numbers=list(_key_numbers(found)),
        sections=sections,
        command=command,
        versions=versions,
    )


def _read(found: Findings) -> list[Block]:
    lines = [line.strip() for line in found.source[1:]]
    lines += [f"Column {column.name!r} is assessed as {len(column.labels)} categories." for column in found.categories]
    lines += [f"Column {name!r} {reason}, and is not assessed." for name, reason in found.left_out.items()]
    return [Bullets(lines)] if lines else []


def _key_numbers(found: Findings) -> Iterator[KeyNumber]:
    for family in found.families:
        if family.needed:
            yield KeyNumber(percent(family.needed.share), f"least share of fresh rows, {family.model}")
        growth = family.course("replace").growth.mean[-1]
        yield KeyNumber(number(growth), f"{family.units} lost under replace in the end, {family.model}")


def _section(found: Findings, family: Family) -> Section:
    tolerance = found.settings["tolerance"]
    about = f"Mean growth of the loss of the {family.model} since generation 0, with 95 % bands"
    blocks: list[Block] = [
        f"{family.about[0].upper()}{family.about[1:]}.",
        Bullets(list(details(family))),
        Picture.of(
            growth_figure(found, family),
            f"Growth of the loss, {family.model}",
            f"{about}; dashed: the tolerance. The numbers are in the table below.",
            f"{about}; dashed grey: the tolerance. The axis is logarithmic above twice the tolerance.",
        ),
    ]
    shares = [course for course in family.courses if course.fresh is not None]
    if family.needed and len(shares) > 1:
        points = [(one.fresh, one.growth.mean[-1], one.growth.half_length[-1]) for one in shares]
        interval = (family.needed.share, family.needed.lower, family.needed.upper)
        told = "Growth of the loss in the end by the share of fresh rows; grey: 95 % interval of the least share, "
        told += f"{percent(family.needed.share)}."
        drawn = figures.growth_against_share(points, interval, tolerance, family.units)
        blocks.append(Picture.of(drawn, f"Fresh rows, {family.model}", told, told))
    if family.columns:
        told = "How far the distribution of each column that models write is from the real one, under replace; the one "
        told += "that changes most stands first."
        moved = [(column.name, *column.shift) for column in family.columns[:_MOST_COLUMNS]]
        blocks.append(Picture.of(figures.column_changes(moved), f"Columns, {family.model}", told, told))
    blocks += [_growth_table(found, family), *_column_table(family)]
    if family.diagnoses:
        blocks += diagnosis_table(dict(family.diagnoses), "Definitions of model collapse, and whether each is met.")
    return Section(family.model, blocks)


def growth_figure(found: Findings, family: Family) -> Figure:
    """The figure of the growth of the loss of one kind of model."""
    # A share of less than half a row is replace.
    same = lambda course: course.fresh and not round(course.fresh * found.settings["num_samples"])
    lines = {
        course.workflow: (course.growth.mean, course.growth.half_length)
        for course in family.courses
        if not same(course)
    }
    return figures.loss_growth(lines, found.settings["tolerance"], family.units)


def _growth_table(found: Findings, family: Family) -> Table:
    shown = shown_generations(found.settings["num_generations"])
    rows: list[list[Cell]] = []
    for course in family.courses:
        cells = [with_error(course.growth.mean[g], course.growth.standard_error[g]) for g in shown]
        reached = "-" if course.reached is None else str(course.reached)
        rows.append([course.workflow, f"{course.mean[0]:.3f}", *cells, reached])
    headings = ["workflow", "loss at first", *(f"growth in {g}" for g in shown), "over the tolerance in"]
    return Table(headings, rows, f"Held-out loss of the {family.model}, {family.units}, with standard errors.")


def _column_table(family: Family) -> list[Table]:
    if not family.columns:
        return []
    pair = lambda triple: f"{triple[0]:.3f}, {triple[1]:.3f}"
    rows = [
        [column.name, *map(pair, (column.variance, column.shift, column.below, column.above))]
        for column in family.columns
    ]
    headings = ["column", "variance / real", "off by", _LOW, _HIGH]
    caption = (
        "Columns under replace, in the first and the last generation: variance of what is written over that of real "
        "rows; largest difference of the cumulative distributions; share of real rows below, and above, the middle "
        "95 % of what is written."
    )
    return [Table(headings, rows, caption)]


def _categories(columns: tuple[Categories, ...]) -> Iterator[Block]:
    yield Bullets(list(map(category, columns)))
    for column in columns:
        told = f"Expected number of categories of {column.name} that are left, exact."
        drawn = figures.category_survival(column.survivors, column.name)
        yield Picture.of(drawn, f"Categories left of {column.name}", told, told)
    for column in columns:
        left = np.asarray(column.survival)[-1]
        rows = [
            [label, f"{100 * share:.3g} %", f"{100 * survives:.3g} %"]
            for label, share, survives in zip(column.labels, column.shares, left, strict=True)
        ]
        yield Table([column.name, "share", "left in the end"], rows, "Probability of being left under replace, exact.")


def _methods(found: Findings) -> Iterator[str]:
    yield from (
        "A loss is the mean negative log-likelihood of held-out rows. Its growth is the mean over repetitions of each "
        "one's loss less that of its generation 0, which was fitted to real rows.",
        "Replace: each model is fitted to rows of the last one. Accumulate: to the real rows and all rows so far. "
        "Accumulate-subsample: to a random part of these, as many as a batch has. Fresh share: to as many rows, of "
        "which that share is new real ones and the rest is of the last model.",
    )
    if any(family.needed for family in found.families):
        yield (
            "The least share is found by bisection with the same random numbers for all shares, each compared with "
            "models of real rows alone in the same generation. Ends of its interval are where those of the growth's "
            "meet the tolerance."
        )
    if any(family.spread[1] for family in found.families):
        yield "Exact means are those of collapsejax.theory, which does not simulate."
    if found.categories:
        yield "Survival of categories is exact, that of the Wright-Fisher model."
