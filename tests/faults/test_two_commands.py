"""Two commands on one store: the second is refused by name, whatever both are, and nothing is lost."""

import contextlib
import itertools

import jax
import numpy as np
import pytest
from damage import filling_disk
from small import Small

import collapsejax as cj
from collapsejax.cli import output
from collapsejax.cli.main import main

pytestmark = pytest.mark.usefixtures("cache")

SIZE = ["--num-samples", "6", "--num-generations", "3", "--num-seeds", "4"]
COMMANDS = {
    "run": ["run", "gaussian", *SIZE, "--workflow", "replace", "--out", "s"],
    "overwrite": ["run", "gaussian", *SIZE, "--workflow", "replace", "--seed", "1", "--out", "s", "--overwrite"],
    "sweep": ["sweep", "--task", "gaussian", *SIZE, "--workflow", "replace", "--devices", "1", "--out", "s"],
}


def arguments(name):
    """Those that carry on have a seed more, so that there is something to do."""
    return COMMANDS[name] if name == "overwrite" else ["5" if one == "4" else one for one in COMMANDS[name]]


ALWAYS = ("overwrite", "sweep")  # tested with all other tests


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(*pair, marks=[] if pair == ALWAYS else pytest.mark.faults)
        for pair in itertools.product(COMMANDS, COMMANDS)
    ],
)
def test_two_commands_on_one_store(first, second, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    main(COMMANDS["run"])
    before = cj.open("s").load()
    refused, progress = [], output.progress

    @contextlib.contextmanager
    def meanwhile(**options):
        with progress(**options) as report:

            def reporting(so_far):
                report(so_far)
                if not refused:
                    refused.append(None)
                    capsys.readouterr()
                    with pytest.raises(SystemExit) as leaving:
                        main(arguments(second))
                    refused[0] = leaving.value.code, capsys.readouterr().err.splitlines()[-1]

            yield reporting

    monkeypatch.setattr(output, "progress", meanwhile)
    main(arguments(first))
    assert refused == [(2, "collapsejax: s: another process is writing there; wait for it, or choose another name")]
    after = cj.open("s").load()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s"]
    if first == "overwrite":
        assert not np.array_equal(after.kl, before.kl)
    else:
        np.testing.assert_array_equal(after.kl[:, :4], before.kl)


@pytest.mark.faults
@pytest.mark.parametrize("there", [False, True])
def test_a_full_disk_while_saving(there, tmp_path):
    size = dict(num_samples=6, num_generations=20, key=jax.random.key(0))
    small, large = (cj.sweep(Small(), ["replace"], **size, num_seeds=seeds) for seeds in (3, 2000))
    if there:
        cj.save(small, tmp_path / "s")
    with filling_disk() as fill:
        fill()
        with pytest.raises(OSError, match=r"/s: writing failed \(File too large\)"):
            cj.save(large, tmp_path / "s", overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["s"] * there
    if there:
        assert cj.open(tmp_path / "s").load().identical(small)
    cj.save(large, tmp_path / "s", overwrite=True)
    assert cj.open(tmp_path / "s").sizes["seed"] == 2000
