"""What is kept of a reproduced study: a record of what was found."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from ..store.marks import write_marked
from .findings import Number

RECORD = "finding.json"


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
        figures: names of the figures, each there as .png, .pdf and .svg.
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
        write_marked(folder / RECORD, json.dumps(vars(self) | {"numbers": numbers}, indent=1).encode())


def read(folder: Path) -> Record | None:
    """The record in a folder; None where there is none, or one of another version of this package."""
    try:
        fields = json.loads((folder / RECORD).read_text())
        del fields["checksum_collapsejax"]
        numbers = [Number(*(one[name] for name in Number._fields)) for one in fields["numbers"]]
        return Record(**fields | {"numbers": numbers})
    except (OSError, ValueError, TypeError, KeyError):
        return None
