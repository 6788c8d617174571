"""What `info` shows of a store: a page of what was simulated, how much of it is there, and by which versions."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import xarray as xr

from ..results.dataset import line_dimensions, metrics_in
from ..results.metrics import metric_of
from ..store.reader import Reader, Stored
from .output import duration, width

Entry = tuple[str, str]
_VERSION = "version_"
_MOST_LABELS = 12  # of a dimension, in a line
# What a table or a text is known by; the rest are its rows, and digests.
_OF_TABLE = ("path", "columns", "standardize", "test_fraction", "split_seed")
_OF_TEXT = ("corpus", "python", "tokenizer", "window", "num_documents", "num_tokens", "num_unknown", "split_seed")


def sweep_page(sweep: Reader, examined: Sequence[Stored]) -> list[Entry]:
    """What the store of a sweep holds, given all of it that was examined."""
    manifest, attributes = sweep.manifest, sweep.manifest.attributes
    complete, chunks = sum(stored.complete for stored in examined), f"in chunks of {manifest.chunk}"
    entries = [*_configuration(manifest.configuration, manifest.dims, manifest.metrics)]
    entries += [
        ("generations", str(manifest.num_generations)),
        ("seeds", f"{manifest.num_seeds}, {chunks}; seed {_seed(manifest.configuration.get('key'))}"),
        ("kept", "statistics over the seeds" if manifest.summary else "every number of every seed"),
        ("complete", f"{complete} of {len(examined)} shards"),
        *(("", complaint) for complaint in sweep.complaints(examined)),
        ("created", attributes["created"]),
    ]
    records = [stored.record for stored in examined if stored.record]
    if records:
        first, last = min(record.written for record in records), max(record.written for record in records)
        entries.append(("written", first if first == last else f"{first} to {last}"))
        entries.append(("computing", duration(sum(record.seconds for record in records))))
        names = records[0].versions
        entries += _origin({name: _all([str(record.versions.get(name)) for record in records]) for name in names})
    return entries


def saved_page(dataset: xr.Dataset, *, recorded: bool) -> list[Entry]:
    """What a store holds that was saved at once, or a copy of one; whether it has checksums."""
    attributes = {**dataset.attrs}
    configuration = {name: _parsed(value) for name, value in attributes.items()}
    swept = [name for name in ("workflow", *line_dimensions(dataset)) if name in dataset.dims]
    dims = {name: dataset[name].values.tolist() for name in swept}
    seeds = attributes.get("num_seeds", dataset.sizes.get("seed", "unknown"))
    return [
        *_configuration(configuration, dims, metrics_in(dataset)),
        ("generations", str(dataset.sizes.get("generation", "unknown"))),
        ("seeds", f"{seeds}; seed {_seed(configuration.get('key'))}"),
        ("checksums", "of every file, compared" if recorded else "none, as another program made this copy"),
        *((name, str(attributes[name])) for name in ("created",) if name in attributes),
        *_origin(attributes),
    ]


def as_json(entries: Sequence[Entry]) -> dict[str, Any]:
    """The same as a JSON object: by name a text, or a list of them."""
    found: dict[str, list[str]] = {}
    for name, text in entries:
        found.setdefault(name or list(found)[-1], []).append(text)
    return {name: texts[0] if len(texts) == 1 else texts for name, texts in found.items()}


def page(entries: Sequence[Entry]) -> str:
    """Names and texts in two columns, as wide as the terminal."""
    left = max(len(name) for name, _ in entries) + 2
    lines = []
    for name, text in entries:
        wrapped = textwrap.wrap(text, max(width() - left, 20), break_on_hyphens=False) or [""]
        lines += [name.ljust(left) + wrapped[0], *(" " * left + line for line in wrapped[1:])]
    return "\n".join(lines)


def _configuration(
    configuration: Mapping[str, Any], dims: Mapping[str, Sequence[Any]], metrics: Sequence[str]
) -> Iterator[Entry]:
    task = configuration.get("task") or {}
    source = task.get("source")
    yield "task", _in_words({name: value for name, value in task.items() if name != "source"})
    if isinstance(source, Mapping):
        yield "source", _in_words(source)
        for part, name in (("train", "rows to fit to"), ("validation", "for validation"), ("test", "held out")):
            if isinstance(source.get(part), Mapping):
                yield "", f"{source[part]['shape'][0]} {name}"
        for column, reason in source.get("left_out", ()):
            yield "", f"column {column!r} {reason}, and is not used"
    for name, labels in dims.items():
        more = f", ... ({len(labels)} values)" if len(labels) > _MOST_LABELS else ""
        yield name, ", ".join(map(str, labels[:_MOST_LABELS])) + more
    if "num_samples" not in dims and "num_samples" in configuration:
        yield "num_samples", str(configuration["num_samples"])
    if configuration.get("rows"):
        yield "rows", "drawn, also where the law of their summary is known"
    for place, metric in enumerate(metrics):
        yield "" if place else "metrics", f"{metric}: {metric_of(metric, task.get('name')).label}"


def _in_words(value: Any) -> str:
    """A described configuration: names and settings, without arrays, digests and what is not set."""
    if isinstance(value, Mapping) and "name" in value:
        known = {"table": _OF_TABLE, "text": _OF_TEXT}.get(value["name"], value)
        is_array = lambda part: isinstance(part, Mapping) and "sha256" in part
        told = {name: value[name] for name in known if name != "name" and value.get(name) is not None}
        settings = [f"{name} {_in_words(part)}" for name, part in told.items() if not is_array(part)]
        return f"{value['name']}{': ' if settings else ''}{'; '.join(settings)}"
    if isinstance(value, list):
        return ", ".join(map(_in_words, value))
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def _parsed(value: Any) -> Any:
    """An attribute that may be JSON."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _seed(key: Any) -> str:
    """The seed of a key, whose data are two numbers of which the first is 0 for seeds of 32 bits."""
    data = key.get("data", key) if isinstance(key, Mapping) else key
    return str(data[-1]) if isinstance(data, list) and len(data) == 2 and data[0] == 0 else f"of the key {data}"


def _origin(attributes: Mapping[str, Any]) -> Iterator[Entry]:
    versions = [f"{name.removeprefix(_VERSION)} {value}" for name, value in attributes.items() if _VERSION in name]
    if versions:
        yield "versions", ", ".join(versions)
    for name in ("platform", "device"):
        if name in attributes:
            yield name, str(attributes[name])
    if attributes.get("git_commit", "unknown") != "unknown":
        yield "commit", str(attributes["git_commit"])


def _all(values: Sequence[str]) -> str:
    return " and ".join(sorted({*values}))
