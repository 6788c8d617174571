"""The page of reproduced studies: what the papers found, what these runs found, and the figures."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence

from ..pages.parts import Block, Bullets, Cell, Link, Page, Picture, Section, Table, with_error
from ..store.provenance import provenance
from .findings import Number
from .record import Record

Drawn = Mapping[str, str]  # SVG texts by the names of figures


def index_page(records: Sequence[Record], drawn: Sequence[Drawn], out: str) -> Page:
    """The page of studies in their order.

    Args:
        records: of the studies.
        drawn: the figures of each; what is not there is left out.
        out: the folder that they are in.
    """
    rows: list[list[Cell]] = [
        [Link(record.folder, f"#{record.folder}"), record.verdict, _first(record), f"{record.seconds:.0f}"]
        for record in records
    ]
    overview = Table(["study", "verdict", "the number behind it", "seconds"], rows)
    sections = [_section(record, figures) for record, figures in zip(records, drawn, strict=True)]
    return Page(
        title="Published results, reproduced",
        summary=[_summary(records)],
        sections=[Section("All studies", [overview]), *sections],
        command="\n".join(_command(record, out) for record in records),
        versions=provenance(),
    )


def _summary(records: Sequence[Record]) -> str:
    counts = Counter(record.verdict for record in records)
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    return f"Claims of published studies, each tested by simulation: {verdicts or 'none yet'}."


def _first(record: Record) -> str:
    one = record.numbers[0]
    exact = "" if one.exact is None else f" (exact {one.exact:.4g})"
    return f"{one.label}: {with_error(one.value, one.standard_error)}{exact}"


def _section(record: Record, figures: Drawn) -> Section:
    said = [
        f"Claim ({record.citation}): {record.claim}.",
        f"This run found: {record.found}.",
        f"Verdict: {record.verdict}.",
    ]
    blocks: list[Block] = [f"{record.title}, {record.num_seeds} seeds; {record.form}.", Bullets(said)]
    blocks.append(Table(["number", "value ± s.e.", "exact", "z"], [_row(one) for one in record.numbers]))
    blocks += [
        Picture(figures[name], f"{record.title}: {name}", record.found, name)
        for name in record.figures
        if name in figures
    ]
    return Section(record.folder, blocks, record.folder)


def _row(one: Number) -> list[Cell]:
    z = None if one.z is None else f"{one.z:+.1f}"
    return [one.label, with_error(one.value, one.standard_error), one.exact, z]


def _command(record: Record, out: str) -> str:
    """The command that carries out a study as its folder says."""
    _, *how = record.folder.removeprefix(record.study).split("-")
    flags = [word for part in how for word in f"--{part}".split("=")]
    return shlex.join(["collapsejax", "reproduce", record.study, *flags, "--out", out])
