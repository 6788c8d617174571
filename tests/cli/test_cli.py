import gc
import json
import os
import re
import subprocess
import sys
import warnings
from functools import partial

import jax
import numpy as np
import pytest
import xarray as xr
from sklearn import datasets as sklearn_datasets

import collapsejax as cj
from collapsejax.cli import tables
from collapsejax.cli.commands import COMMANDS
from collapsejax.cli.main import main

pytestmark = pytest.mark.usefixtures("cache")

SMALL = ["--num-samples", "6", "--num-generations", "5", "--num-seeds", "3"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(arguments, capsys):
    """The single line on stderr with which the command line refuses `arguments`."""
    with pytest.raises(SystemExit) as leaving:
        main(arguments)
    assert leaving.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


def test_run_gaussian(capsys, folder):
    main(["run", "gaussian", "--dim", "2", *SMALL, "--out", "g.zarr", "--plot", "g.png"])
    out, err = capsys.readouterr()
    for part in ("trace_ratio", "logdet_ratio", "iteration", "s.e.", "compiled or", "wrote g.zarr", "wrote g.png"):
        assert part in out
    assert "compiling replace" in err
    assert "accumulate: 3/3 cells, 9/9 seeds" in err
    dataset = cj.open("g.zarr")
    assert dict(dataset.sizes) == {"workflow": 3, "seed": 3, "generation": 5}
    assert not any(np.isnan(variable).any() for variable in dataset.data_vars.values())
    assert sorted(path.name for path in folder.iterdir()) == ["g.png", "g.zarr"]

    main(["plot", "g.zarr", "--metric", "trace_ratio", "--out", "g.png"])
    main(["plot", "g.zarr", "--out", "g.pdf"])
    assert (folder / "g.pdf").stat().st_size > 1000

    before = cj.open("g.zarr").load()
    capsys.readouterr()
    refusal = refused(["run", "gaussian", *SMALL, "--out", "g.zarr"], capsys)
    assert "holds another sweep (task.dim is 2 there, 1 here); choose another name, overwrite it" in refusal
    assert before.identical(cj.open("g.zarr"))
    main(
        [
            "run",
            "gaussian",
            "--dim",
            "2",
            *SMALL,
            "--workflow",
            "replace",
            "--out",
            "g.zarr",
            "--overwrite",
            "--seed",
            "1",
        ]
    )
    assert cj.open("g.zarr").sizes["workflow"] == 1
    assert not np.array_equal(cj.open("g.zarr").kl.sel(workflow="replace"), before.kl.sel(workflow="replace"))


def test_run_kde_with_a_rule_and_a_metric(capsys):
    main(
        [
            "run",
            "kde",
            "--bandwidth",
            "scott",
            "--num-test",
            "7",
            *SMALL,
            "--workflow",
            "replace",
            "--metric",
            "test_nll",
        ]
    )
    assert "Negative log-likelihood of held-out rows" in capsys.readouterr().out


slow = partial(pytest.param, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("arguments", "metric"),
    [
        slow(["regression", "--dim", "2", "--fresh-design", "--workflow", "replace"], "test_mse"),
        (["categorical", "--num-outcomes", "5", "--probs", "zipf", "--workflow", "window(num_batches=2)"], "entropy"),
        slow(["family", "--family", "gamma", "--shape", "2", "--workflow", "weighted(real_weight=0.3)"], "sq_error"),
        slow(["kde", "--bandwidth-exponent", "0.5", "--workflow", "selected(inner=accumulate, keep=0.5)"], "test_nll"),
    ],
)
def test_run_every_task(arguments, metric, capsys):
    main(["run", *arguments, *SMALL, "--metric", metric])
    out, _ = capsys.readouterr()
    assert f"{metric}: " in out
    assert out.count("; ran: ") == 1


@pytest.mark.slow
def test_iris_through_both_tasks(capsys):
    iris = sklearn_datasets.load_iris(as_frame=True)
    iris.frame.to_csv("iris.csv", index=False)
    table = ["--source", "table", "--path", "iris.csv", *SMALL, "--workflow", "replace"]
    main(["run", "gaussian", *table, "--columns", "sepal width (cm)", "petal length (cm)", "--out", "g.zarr"])
    assert "120 rows to fit to, 30 held out; columns sepal width (cm), petal length (cm)" in capsys.readouterr().out
    main(["run", "kde", *table, "--bandwidth", "0.5", "--standardize", "True", "--out", "k.zarr"])
    assert np.isfinite(cj.open("g.zarr").mean_sq_error).all()
    assert np.isfinite(cj.open("k.zarr").test_nll).all()
    assert '"path": "iris.csv"' in cj.open("k.zarr").attrs["task"]
    capsys.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        main(["run", "kde", *table, "--bandwidth", "300", "--standardize", "True"])
    assert capsys.readouterr().err.count("is far from the standard deviations") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("run gaussian --num-samples 1", "num_samples=1: a covariance needs at least 2"),
        ("run gaussian --dim 0", "dim=0: must be at least 1"),
        ("run gaussian --dim x", "dim: 'x' is no whole number"),
        ("run gaussian --num-generations -1", "num_generations=-1: must be at least 1"),
        ("run gaussian --num-seeds 0", "num_seeds=0: must be at least 1"),
        ("run gaussian --num-samples 2.5", "num_samples: '2.5' is no whole number"),
        ("run gaussian --seed -1", "seed=-1: must be at least 0"),
        ("run gaussian --seed 4294967296", "seed=4294967296: must be at most 4294967295"),
        ("run gaussian --sigma2 nan", "sigma2=nan: must be a finite number above 0"),
        ("run gaussian --sigma2 -1", "sigma2=-1.0: must be a finite number above 0"),
        ("run gaussian --ddof 3", "ddof=3: must be 0"),
        ("run gaussian --workflow replac", "did you mean 'replace'"),
        ("run gaussian --workflow", "give at least one"),
        ("run gaussian --workflow --metric kl", "give at least one"),
        ("run gaussian --out a.png --plot a.png", "choose two names"),
        ("run gaussian --metric trace", "did you mean 'trace_ratio'"),
        ("run gaussian --metric", "metric: give at least one name"),
        ("run gaussian --source gaussian --noise 0.1", "source 'gaussian' has no such setting"),
        ("run gaussian --path x.csv", "name one with --source"),
        ("run gaussian --source moons --dim 3", "the source has 2 features"),
        ("run gaussian --workflow weighted(real_weight=2)", "real_weight=2: must lie between 0 and 1"),
        ("run gaussian --workflow window(batches=2)", "no setting 'batches'; did you mean 'num_batches'"),
        ("run gaussian --sampling-temperature 0", "sampling_temperature=0.0: must be a finite number above 0"),
        ("run gaussian --source swiss_roll --workflow selected", "a verifier needs the true log-density"),
        ("run regression --num-samples 1", "num_samples=1: a regression needs at least 2"),
        ("run categorical --num-outcomes 1", "num_outcomes=1: must be at least 2"),
        ("run categorical --probs zip", "did you mean 'zipf'"),
        ("run family --family poison", "did you mean 'poisson'"),
        ("run kde --bandwidth scott --bandwidth-exponent 1", "is for a number as bandwidth"),
        ("run kde --bandwidth inf", "bandwidth=inf: must be a finite number above 0"),
        ("run kde --bandwidth skott", "did you mean 'scott'"),
        ("run kde --kernel tophut", "did you mean 'tophat'"),
        ("run kde --source moon", "did you mean 'moons'"),
        ("run kde --source table", "needs the path"),
        ("run kde --source table --path missing.csv", "missing.csv: there is no such file"),
        ("run gaussian --out nowhere/g.zarr", "there is no folder nowhere"),
        ("run gaussian --out /proc/g.zarr", "cannot be written"),
        ("run gaussian --out . --overwrite", "has its place already; give a name in it"),
        ("run gaussian --out=", "is no name of a file or folder"),
        ("run gaussian --plot=", "is no name of a file or folder"),
        (
            "sweep --task gaussian --workflow replace --num-samples 9 --num-generations 2 --num-seeds 3 --out=",
            "is no name",
        ),
        ("plot g.zarr --out=", "no such store"),
        ("reproduce gaussian --quick --out=", "is no name of a file or folder"),
        ("validate --out=", "is no name of a file or folder"),
        ("run gaussian --plot g.gif", "a figure's name ends in .png, .pdf, .svg"),
        ("run gausian", "run gausian: there is no such task; did you mean 'gaussian'?"),
        ("run gaussian --dimm 3", "--dimm: there is no such flag; did you mean --dim?"),
        ("run", "gaussian, kde"),
        ("rnu", "rnu: there is no such command; did you mean 'run'?"),
        ("run gaussian --metric kl extra --num-seeds", "num-seeds: needs a value"),
        ("run gaussian --sigma2 big", "sigma2: 'big' is no number"),
        ("run kde --standardize maybe", "standardize: 'maybe' is none of 'True', 'False'"),
        ("info", "STORE is missing"),
        ("info a b", "b: no flag or argument takes this value"),
        ("export g.zarr", "csv: is missing"),
        ("synthetic-value gaussian --tune num_steps", "tune='num_steps': want a field and numbers"),
        ("plot missing.zarr --out a.png", "there is no such store"),
        ("plot . --out a.png", "not a store of results"),
    ],
)
def test_mistakes(arguments, message, capsys, folder):
    assert message in refused(arguments.split(), capsys)
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("run gaussian --num-samples 1 --out g.zarr --plot g.png", 2, "num_samples=1: a covariance needs at least 2"),
        ("run gaussian --workflow replcae", 2, "did you mean 'replace'"),
        ("run kde --help", 0, ""),
    ],
)
def test_as_a_process(arguments, code, message, folder):
    command = [sys.executable, "-m", "collapsejax", *arguments.split()]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == code
    assert message in result.stderr
    assert result.stderr.count("\n") == (1 if code else 0)
    assert code or "--bandwidth" in result.stdout
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    "width", [60, pytest.param(80, marks=pytest.mark.slow), pytest.param(120, marks=pytest.mark.slow)]
)
def test_tables_fit_the_terminal(width, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich then takes the stream for a terminal
    size = dict(num_samples=3, num_generations=5, num_seeds=25, key=jax.random.key(20240615))
    data = cj.sweep(cj.Gaussian(2), ["replace", "accumulate"], **size)
    few = ~cj.summary(data).set_index(["metric", "workflow", "iteration"]).informative
    assert few["trace_ratio", "replace", 5]
    assert not few["trace_ratio", "replace", 1]
    for full in (False, True):
        tables.print_tables(data, None, cj.exact_curves(data), full=full)
        out = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
        assert "…" not in out
        assert max(map(len, out.splitlines())) <= width
        assert out.count("iteration") in ((4, 8) if full else (4,))
        assert " 5 " in out
        marks = re.sub(r"\n \* few seeds.*", "", out).count("*")
        last, shown = (few[few.index.isin(there, level="iteration")].sum() for there in ([1, 5], [1, 2, 5]))
        assert (shown if full else last) <= marks <= shown


def test_a_call_from_python_leaves_its_garbage_collector_alone(folder):
    before = gc.get_freeze_count()
    main(["run", "family", *SMALL, "--quiet"])
    assert gc.get_freeze_count() <= before  # fewer where what was frozen is no longer needed


def test_a_failing_run_leaves_nothing(folder, monkeypatch):
    def fails(*arguments, **options):
        raise MemoryError

    monkeypatch.setattr("collapsejax.sweeps.run.carry_out", fails)
    with pytest.raises(SystemExit):
        main(["run", "gaussian", *SMALL, "--out", "g.zarr", "--plot", "g.png"])
    assert not os.listdir(folder)


def test_an_interrupted_run_says_so(folder, monkeypatch, capsys):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("collapsejax.sweeps.run.carry_out", interrupted)
    with pytest.raises(SystemExit) as leaving:
        main(["run", "gaussian", *SMALL, "--out", "g.zarr"])
    assert leaving.value.code == 130
    assert "what is complete is in g.zarr; the same command again goes on" in capsys.readouterr().err
    assert not os.listdir(folder)


SPEC = """task = "gaussian"
workflow = ["replace", "accumulate"]
num_samples = [6, 8]
num_generations = 5
num_seeds = 25
keep = "summary"
[gaussian]
dim = [1, 2]
"""


@pytest.mark.slow
def test_sweep_a_specification(capsys, folder):
    (folder / "s.toml").write_text(SPEC)
    main(["sweep", "s.toml", "--dry-run"])
    out, _ = capsys.readouterr()
    for part in ("cells: 8, each of 25 seeds", "compilations: 4", "bytes per seed: ", "chunk: 25 seeds", "time: about"):
        assert part in out
    assert os.listdir() == ["s.toml"]

    main(["sweep", "s.toml", "--out", "s"])
    out, err = capsys.readouterr()
    assert "compiled or loaded in" in out
    assert "compiling replace, dim=1 (2 cells): 0/8 cells, 0/200 seeds" in err
    assert "8/8 cells, 200/200 seeds" in err
    dataset = cj.open("s")
    assert dict(dataset.sizes) == dict(dim=2, workflow=2, num_samples=2, statistic=15, generation=5)
    assert (dataset.kl.sel(statistic="count") == 25).all()
    # What xarray finds without our help is the same.
    plain = xr.open_zarr("s")
    np.testing.assert_array_equal(plain.kl, dataset.kl)

    main(["info", "s"])
    out, _ = capsys.readouterr()
    for part in (
        r"dim +1, 2",
        r"seeds +25, in chunks",
        r"complete +8 of 8 shards",
        r"written +20",
        r"versions .* jax 0",
    ):
        assert re.search(part, out)
    main(["plot", "s", "--metric", "kl"])
    assert {"s-dim=1.png", "s-dim=2.png"} <= set(os.listdir())
    capsys.readouterr()

    (folder / "s.toml").write_text(SPEC.replace("dim = [1, 2]", "dim = [1, 3]").replace("= 5", "= 6"))
    line = refused(["sweep", "s.toml", "--out", "s"], capsys)
    assert "over.dim is [1, 2] there, [1, 3] here; num_generations is 5 there, 6 here" in line


@pytest.mark.slow
def test_sweep_from_flags_alone(capsys):
    size = ["--num-samples", "6", "--num-generations", "5", "--num-seeds", "3", "--workflow", "replace"]
    main(["sweep", "--task", "kde", "--source", "moons", "circles", "--num-test", "7", *size, "--out", "k"])
    assert dict(cj.open("k").sizes) == dict(source=2, workflow=1, seed=3, generation=5)
    assert list(cj.open("k").source.values) == ["moons", "circles"]


def test_flags_replace_what_the_specification_says(capsys, folder):
    (folder / "s.toml").write_text(SPEC)
    changed = "--dim 2 --num-samples 6 --workflow replace --keep seeds --num-seeds 3"
    main(["sweep", "s.toml", "--out", "s", *changed.split()])
    assert dict(cj.open("s").sizes) == dict(workflow=1, seed=3, generation=5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("sweep", "out: a sweep needs a place"),
        ("sweep missing.toml --out s", "missing.toml: there is no such file"),
        ("sweep --out s", "task: is missing"),
        (
            "sweep --out s --task gaussian --bandwidth 0.1 --workflow replace --num-samples 6 --num-generations 5 "
            "--num-seeds 3",
            "gaussian.bandwidth: there is no such field",
        ),
        ("sweep --out s --task gaussian --noise 0.1", "name one with --source"),
        ("sweep --out s --task kde --devices 0", "devices=0: must be at least 1"),
        ("sweep --out s --coordinator localhost:1", "give all three of them"),
        ("sweep --out s --coordinator localhost:1 --num-processes 2 --process-id 2", "process_id=2: must be at most 1"),
        ("info missing", "there is no such store"),
        ("info .", "not a store of results"),
    ],
)
def test_mistakes_in_sweeps(arguments, message, capsys, folder):
    assert message in refused(arguments.split(), capsys)
    assert not list(folder.iterdir())


def test_a_sweep_carries_on_a_run(capsys):
    main(["run", "gaussian", *SMALL, "--workflow", "replace", "--out", "g"])
    before = cj.open("g").load()
    size = ["--num-samples", "6", "--num-generations", "5", "--num-seeds", "5", "--workflow", "replace"]
    main(["sweep", "--task", "gaussian", *size, "--out", "g"])
    assert cj.open("g").sizes["seed"] == 5
    np.testing.assert_array_equal(cj.open("g").kl[:, :3], before.kl)
    main(["info", "g"])
    assert "2 of 2 shards" in capsys.readouterr().out


def test_info_of_what_was_saved(capsys, folder):
    main(["run", "gaussian", *SMALL, "--out", "g"])
    dataset = cj.open("g").sel(workflow=["replace"])
    cj.save(dataset, "h")
    dataset.assign(twice=2 * dataset.kl).to_zarr("copy", consolidated=False)
    for name, checksums in [("h", "of every file, compared"), ("copy", "none, as another program made this copy")]:
        capsys.readouterr()
        main(["info", name])
        said = capsys.readouterr().out
        for part in (
            r"task +gaussian: dim 1;",
            r"workflow +replace\n",
            r"num_samples +6",
            r"seeds +3;",
            "versions .* jax 0",
        ):
            assert re.search(part, said)
        assert re.search(f"checksums +{checksums}", said)
    (folder / "h" / "zarr.json").write_text("{}")
    assert "h: not a store of results" in (refusal := refused(["info", "h"], capsys))
    assert "zarr.json: damaged or missing" in refusal


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sweep", "a\0b", "--out", "s"], "is no name of a file or folder"),
        (["run", "gaussian", "--source", "table", "--path", "a\0b"], "path: 'a\\x00b': holds a NUL character"),
        (["reproduce", "--out", "file"], "out=file: is a file; give a folder, or another name"),
        (["sweep", "file", "--out", "s"], "file: 1048577 bytes, and a specification has at most 1048576"),
        (["run", "gaussian", "--dim", str(10**20)], "dim=100000000000000000000: must be at most 65536"),
    ],
    ids=lambda value: None if isinstance(value, str) else value[0],
)
def test_hostile_input(arguments, message, capsys, folder):
    (folder / "file").write_bytes(b"#" * (2**20 + 1))
    assert message in refused(arguments, capsys)
    assert [path.name for path in folder.iterdir()] == ["file"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_what_nobody_reads_and_a_full_stdout():
    command = [sys.executable, "-m", "collapsejax", "run", "--help"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("collapsejax: No space left on device: what is shown")
    assert done.stderr.count("\n") == 1
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def helped(command, capsys, monkeypatch, columns=80):
    """What a help text shows."""
    monkeypatch.setenv("COLUMNS", str(columns))
    with pytest.raises(SystemExit) as leaving:
        main(command.split())
    assert not leaving.value.code
    return capsys.readouterr().out


HELP = [
    "--help",
    "run --help",
    "synthetic-value --help",
    *(f"{name} --help" for name, command in COMMANDS.items() if not command.of_task),
    *(f"{name} gaussian --help" for name, command in COMMANDS.items() if command.of_task),
    "run transformer --help",
    "sweep --task gaussian --help",
]


@pytest.mark.parametrize("command", HELP)
@pytest.mark.parametrize("columns", [80, 120])
def test_help_has_an_example_and_fits(command, columns, capsys, monkeypatch):
    shown = helped(command, capsys, monkeypatch, columns)
    assert re.search(r"^Examples?:\n  collapsejax", shown, flags=re.MULTILINE)
    assert max(map(len, shown.splitlines())) <= columns
    for part in ("{None}", "[STR", "(default: )", "Args:"):
        assert part not in shown
    if "positional arguments" in shown:
        assert re.search(r"usage: .*\b(STORE|STUDY|SPEC|FILE|bash)\b", shown)


def test_no_arguments_are_a_call_for_help(capsys, monkeypatch):
    assert helped("", capsys, monkeypatch) == helped("--help", capsys, monkeypatch)
    assert len(helped("sweep --help", capsys, monkeypatch).splitlines()) < 80
    assert re.fullmatch(r"collapsejax \S+\n|collapsejax \(not installed\)\n", helped("--version", capsys, monkeypatch))


NO_JAX = """
import sys
from collapsejax.cli.main import main
for command in sys.argv[1:]:
    try:
        main(command.split())
    except SystemExit:
        for name in ("jax", "numpy", "xarray", "scipy"):
            assert name not in sys.modules, (command, name)
"""


def test_help_and_errors_need_no_jax():
    """JAX takes longer to import than all else."""
    errors = ["rnu", "run gausian", "run gaussian --dimm 3", "run gaussian --dim three", "sweep --dim x", "info"]
    commands = ["completion fish", *HELP, *errors]
    done = subprocess.run([sys.executable, "-c", NO_JAX, *commands], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]


def test_results_as_json_and_csv(capsys, folder):
    quiet = ["--workflow", "replace", "--metric", "kl", "--quiet"]
    main(["run", "gaussian", *SMALL, *quiet, "--out", "g", "--json"])
    out, err = capsys.readouterr()
    assert err == ""
    shown = json.loads(out)
    assert (shown["task"], shown["num_seeds"], len(shown["statistics"])) == ("gaussian", 3, 5)
    assert shown["statistics"][0]["exact"] == pytest.approx(cj.exact_curves(cj.open("g")).kl.values[0, 0])
    main(["export", "g", "--csv", "g.csv", "--metric", "kl"])
    lines = (folder / "g.csv").read_text().splitlines()
    assert len(lines) == 1 + 5
    assert lines[0].startswith("metric,workflow,iteration,mean,standard_error,q0.025")
    assert float(lines[1].split(",")[3]) == shown["statistics"][0]["mean"]
    (folder / "g.csv").write_text("mine")
    capsys.readouterr()
    assert "g.csv: is there already" in refused(["export", "g", "--csv", "g.csv"], capsys)
    main(["info", "g", "--json"])
    assert json.loads(capsys.readouterr().out)["workflow"] == "replace"
    main(["diagnose", "g", "--json"])
    assert len(json.loads(capsys.readouterr().out)[0]["verdicts"]) == 8


def test_one_seed_has_no_empty_columns(capsys):
    main(["run", "gaussian", *SMALL[:4], "--num-seeds", "1", "--metric", "kl", "--quiet"])
    short = capsys.readouterr().out
    main(["run", "gaussian", *SMALL[:4], "--num-seeds", "1", "--metric", "kl", "--quiet", "--table", "full"])
    full = capsys.readouterr().out
    for shown in (short, full):
        assert "value" in shown
        assert all(word not in shown for word in ("s.e.", "median", "nan"))
    assert len(short.splitlines()) == 1 + 4 + 3 + 1  # a line a workflow


def test_tables_of_pages_are_words(capsys, folder):
    rows = np.random.default_rng(0).normal(size=(40, 2))
    np.savetxt("t.csv", rows, delimiter=",", header="height,weight", comments="")
    table = ["--source", "table", "--path", "t.csv", "--workflow", "replace", "--metric", "kl", "--quiet"]
    main(["run", "gaussian", *SMALL, *table, "--out", "t"])
    capsys.readouterr()
    main(["info", "t"])
    out = " ".join(capsys.readouterr().out.split())
    for part in ("source table: path t.csv; columns height, weight;", "32 rows to fit to", "8 held out"):
        assert part in out
    assert not re.search(r"[{}]|[0-9a-f]{64}", out)


def test_the_value_of_synthetic_rows(capsys, folder):
    sizes = ["--num-real", "6", "9", "--num-synthetic", "5", "--num-seeds", "4", "--quiet"]
    main(["synthetic-value", "gaussian", *sizes, "--out", "v", "--plot", "v.png"])
    out = capsys.readouterr().out
    assert "best synthetic rows" in out
    assert [line.split()[0] for line in out.splitlines() if line.strip()[:1] in "69" and line.strip()] == ["6", "9"]
    assert sorted(path.name for path in folder.iterdir()) == ["v", "v.png"]
    main(["synthetic-value", "gaussian", *sizes, "--json"])
    shown = json.loads(capsys.readouterr().out)
    assert len(shown["cells"]) == 4
    assert set(shown["best_num_synthetic"]) == {"6", "9"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_commands_and_flags(shell, capsys):
    main(["completion", shell])
    script = capsys.readouterr().out
    for word in ("diagnose", "gaussian", "--num-generations", "--sampling-temperature"):
        assert word in script
    assert shell != "bash" or "\ncomplete -o default -F" in script  # so that files are completed too
