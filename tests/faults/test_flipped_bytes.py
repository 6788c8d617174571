"""A flipped byte, a file cut short or gone, in any file of any store: named, or of no consequence."""

import random
import warnings

import jax
import numpy as np
import pytest
import xarray as xr
from damage import cut_short
from small import Small
from warm import Told, Warm

import collapsejax as cj
from collapsejax.cli.main import main

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("cache")]
SIZE = dict(num_generations=4, key=jax.random.key(7))
OVER = {"kind": [1, 2], "num_samples": [6, 8]}


def swept(path, **options):
    cj.sweep(Small(), ["replace"], over=OVER, **SIZE, num_seeds=5, out=path, execution=cj.Execution(chunk=3), **options)


def saved(path):
    cj.save(cj.sweep(Small(), ["replace"], over=OVER, **SIZE, num_seeds=5), path)


def run(path):
    size = ["--num-samples", "6", "--num-generations", "4", "--num-seeds", "5"]
    main(["run", "categorical", "--num-outcomes", "4", *size, "--workflow", "replace", "--out", str(path)])


def unfinished(path):
    with pytest.raises(KeyboardInterrupt):
        cj.sweep(Warm(), ["replace"], num_samples=6, **SIZE, num_seeds=2, out=path, progress=Told(most=2))


KINDS = {
    "saved": saved,
    "run": run,
    "seeds": swept,
    "summary": lambda path: swept(path, keep="summary"),
    "unfinished": unfinished,
}


def opened(path):
    """All values of a store, with what was said about it; every warning must be one of ours."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        dataset = cj.open(path).load()
    assert all(str(one.message).startswith(f"{path}: ") for one in said)
    return dataset, [str(one.message) for one in said]


def flip_one(file, chances):
    content = bytearray(file.read_bytes())
    content[chances.randrange(len(content))] ^= 1 << chances.randrange(8)
    file.write_bytes(content)


DAMAGES = {
    "flip": flip_one,
    "cut": lambda file, chances: cut_short(file),
    "delete": lambda file, chances: file.unlink(),
}


def outcome(path, whole, damage):
    """What a damaged store gives: the whole numbers, none, or those that are undamaged with a word about the others."""
    try:
        found, said = opened(path)
    except ValueError as error:
        return "refused" if str(path) in str(error) else f"raw error: {error}"
    if found.identical(whole):
        return "same"
    assert said, f"{damage}: other numbers and not a word"
    for name, variable in found.variables.items():
        values, wanted = variable.values, whole.variables[name].values
        if variable.dtype.kind == "f" and "statistic" not in found.dims:
            there = ~np.isnan(values)
            np.testing.assert_array_equal(values[there], wanted[there], err_msg=f"{damage}: other numbers in {name}")
    return "announced"


@pytest.mark.parametrize("kind", KINDS)
def test_no_damage_is_silent(kind, tmp_path):
    path, chances = tmp_path / "s", random.Random(20240615)
    KINDS[kind](path)
    whole, _ = opened(path)
    files = sorted(file for file in path.rglob("*") if file.is_file() and file.stat().st_size)
    files = [file for file in files if "running" not in file.relative_to(path).parts]  # checkpoints are not results
    outcomes = []
    for file in chances.sample(files, min(len(files), 20)):
        before = file.read_bytes()
        for name, damage in DAMAGES.items():
            damage(file, chances)
            outcomes.append(outcome(path, whole, f"{name} {file.relative_to(path)}"))
            file.write_bytes(before)
    assert opened(path)[0].identical(whole)
    assert {*outcomes} <= {"refused", "announced", "same"}
    assert outcomes.count("same") < len(outcomes) / 2


@pytest.mark.parametrize("kind", ["run", "seeds", "summary"])
def test_commands_agree_on_what_is_there(kind, tmp_path, capsys):
    """`open`, `info`, `plot` and `diagnose` name the same damage."""
    path = tmp_path / "s"
    KINDS[kind](path)
    record = next((path / "records").glob("*-*.json"))
    record.unlink() if kind == "run" else cut_short(record)
    _, (said,) = opened(path)
    capsys.readouterr()
    main(["info", str(path)])
    complaint = said.removeprefix(f"{path}: ")
    assert complaint in " ".join(capsys.readouterr().out.split())
    figure = tmp_path / "g.png"
    metric = "entropy" if kind == "run" else "error"
    main(["plot", str(path), "--out", str(figure), "--metric", metric])
    assert complaint in capsys.readouterr().err


def test_xarray_alone_opens_every_kind_without_a_warning(tmp_path):
    for kind, make in KINDS.items():
        make(tmp_path / kind)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            mine = xr.open_zarr(tmp_path / kind, chunks=None).load()
        if kind != "unfinished":
            xr.testing.assert_equal(mine, cj.open(tmp_path / kind).load()[list(mine.data_vars)])
