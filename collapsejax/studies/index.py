"""The index of reproduced studies, as Markdown and as an HTML page, from a record of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ..pages import save_page
from ..store.marks import check_ours, is_ours, write_marked
from .catalogue import STUDIES
from .findings import Number
from .page import index_page
from .record import RECORD, Record, read

_INDEX, _PAGE = "index.md", "index.html"


def write_index(out: Path) -> Path:
    """Write `out`/index.md, and index.html beside it, from the records in the folders there; returns the first."""
    records = in_order(record for path in out.glob(f"*/{RECORD}") if (record := read(path.parent)))
    path = out / _INDEX
    write_marked(path, render(records).encode())
    save_page(index_page(records, [_drawn(out / record.folder, record) for record in records], str(out)), out / _PAGE)
    return path


def check_folders(out: Path, folders: Iterable[Path]) -> None:
    """Raise ValueError where an index or a record would take the place of a file of somebody else's."""
    for path in (out / _INDEX, out / _PAGE, *(folder / RECORD for folder in folders)):
        check_ours(path)


def in_order(records: Iterable[Record]) -> list[Record]:
    """The records in the order of the studies, those of one study in that of their folders."""
    places = {study.name: place for place, study in enumerate(STUDIES)}
    return sorted(records, key=lambda record: (places.get(record.study, len(places)), record.folder))


def _drawn(folder: Path, record: Record) -> dict[str, str]:
    """The figures of a study as SVG by name, those of them that are there as they were drawn."""
    files = {name: folder / f"{name}.svg" for name in record.figures}
    return {name: file.read_text(encoding="utf-8") for name, file in files.items() if is_ours(file)}


def render(records: Sequence[Record]) -> str:
    """A table with a line for each study, and a section for each with all its numbers and figures."""
    records = in_order(records)
    lines = ["# Published results, reproduced", ""]
    lines += [
        "| study | claim | this run found | verdict | the number behind it | seconds |",
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
        f"- Claim ({record.citation}): {record.claim}.",
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
