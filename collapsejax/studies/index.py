"""The index of reproduced studies, as Markdown, from a record of each."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..store.marks import check_ours, write_marked
from .catalogue import STUDIES
from .findings import Number

_INDEX, _RECORD = "index.md", "finding.json"


@dataclasses.dataclass(frozen=True)
class Record:
    """What is kept of a reproduced study, as finding.json in its folder.

    Args:
        study: its name.
        title: what it is about.
        citation: the paper.
        claim: what the paper found.
        form: in which form of the published protocol it was run.
        num_seeds: seeds of every part.
        found: what this run found, a sentence.
        verdict: "verified", "falsified" or "open".
        numbers: what that rests on.
        figures: names of the figures, each there as .png and as .pdf.
        folder: the folder's name.
        seconds: how long it took.
    """

    study: str
    title: str
    citation: str
    claim: str
    form: str
    num_seeds: int
    found: str
    verdict: str
    numbers: list[Number]
    figures: list[str]
    folder: str
    seconds: float

    def write(self, folder: Path) -> None:
        """Write it into a folder that is there."""
        numbers = [one._asdict() | {"z": one.z} for one in self.numbers]
        write_marked(folder / _RECORD, json.dumps(vars(self) | {"numbers": numbers}, indent=1).encode())


def read(folder: Path) -> Record | None:
    """The record in a folder; None where there is none, or one of another version of this package."""
    try:
        fields = json.loads((folder / _RECORD).read_text())
        del fields["checksum_collapsejax"]
        numbers = [Number(*(one[name] for name in Number._fields)) for one in fields["numbers"]]
        return Record(**fields | {"numbers": numbers})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_index(out: Path) -> Path:
    """Write `out`/index.md from the records in the folders there; returns its path."""
    records = [record for path in sorted(out.glob(f"*/{_RECORD}")) if (record := read(path.parent))]
    path = out / _INDEX
    write_marked(path, render(records).encode())
    return path


def check_folders(out: Path, folders: Iterable[Path]) -> None:
    """Raise ValueError where an index or a record would take the place of a file of somebody else's."""
    for path in (out / _INDEX, *(folder / _RECORD for folder in folders)):
        check_ours(path)


def render(records: Sequence[Record]) -> str:
    """A table with a line for each study, and a section for each with all its numbers and figures."""
    places = {study.name: place for place, study in enumerate(STUDIES)}
    records = sorted(records, key=lambda record: (places.get(record.study, len(places)), record.folder))
    lines = ["# Published results, reproduced", ""]
    lines += [
        "| study | the paper found | this run found | verdict | the number behind it | seconds |",
        "| :-- | :-- | :-- | :-- | :-- | --: |",
    ]
    for record in records:
        cells = (f"[{record.folder}](#{record.folder})", record.claim, record.found, record.verdict)
        first = record.numbers[0]
        lines.append(f"| {' | '.join(map(_cell, cells))} | {_cell(_number(first))} | {record.seconds:.0f} |")
    for record in records:
        lines += _section(record)
    return "\n".join(lines) + "\n"


def _section(record: Record) -> list[str]:
    lines = ["", f"## {record.folder}", "", f"{record.title}, {record.num_seeds} seeds; {record.form}.", ""]
    lines += [
        f"- The paper ({record.citation}) found: {record.claim}.",
        f"- This run found: {record.found}.",
        f"- Verdict: {record.verdict}.",
        "",
    ]
    lines += ["| number | value ± s.e. | exact | z |", "| :-- | --: | --: | --: |"]
    for one in record.numbers:
        exact = ("", "") if one.exact is None else (f"{one.exact:.4g}", f"{one.z:+.1f}")
        lines.append(f"| {_cell(one.label)} | {one} | {' | '.join(exact)} |")
    lines.append("")
    return lines + [f"![{stem}]({record.folder}/{stem}.png)" for stem in record.figures]


def _number(one: Number) -> str:
    exact = "" if one.exact is None else f" (exact {one.exact:.4g})"
    return f"{one.label}: {one}{exact}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
