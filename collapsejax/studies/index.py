"""The index of reproduced studies, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .catalogue import STUDIES


def render(records: Sequence[Mapping[str, Any]]) -> str:
    """A table with a line for each study, and a section for each with all its numbers and figures.

    Args:
        records: what `reproduction.write_up` writes of each.
    """
    records = sorted(records, key=lambda record: (list(STUDIES).index(record["study"]), record["folder"]))
    lines = ["# Published results, reproduced", ""]
    lines += [
        "| study | the paper found | this run found | the number behind it | seconds |",
        "| :-- | :-- | :-- | :-- | --: |",
    ]
    for record in records:
        cells = (f"[{record['folder']}](#{record['folder']})", record["paper"], record["found"])
        first = record["numbers"][0]
        lines.append(f"| {' | '.join(map(_cell, cells))} | {_cell(_number(first))} | {record['seconds']:.0f} |")
    for record in records:
        lines += [
            "",
            f"## {record['folder']}",
            "",
            f"{record['title']}, {record['num_seeds']} seeds; {record['form']}.",
            "",
        ]
        lines += [f"- The paper found: {record['paper']}.", f"- This run found: {record['found']}.", ""]
        lines += ["| number | value ± s.e. | exact | z |", "| :-- | --: | --: | --: |"]
        for one in record["numbers"]:
            exact = ("", "") if one["exact"] is None else (f"{one['exact']:.4g}", f"{one['z']:+.1f}")
            lines.append(f"| {_cell(one['label'])} | {one['value']:.4g} ± {one['se']:.2g} | {' | '.join(exact)} |")
        lines.append("")
        lines += [f"![{stem}]({record['folder']}/{stem}.png)" for stem in record["figures"]]
    return "\n".join(lines) + "\n"


def _number(one: Mapping[str, Any]) -> str:
    exact = "" if one["exact"] is None else f" (exact {one['exact']:.4g})"
    return f"{one['label']}: {one['value']:.4g} ± {one['se']:.2g}{exact}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
