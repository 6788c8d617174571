"""Where the command line keeps compiled programs, and that keeping them changes nothing but the time."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import collapsejax as cj
from collapsejax.cli import compilation_cache
from collapsejax.cli.main import main

# The command line in a process that counts what it compiles, and what it finds compiled.
PROGRAM = """
import collections, json, sys
import jax
events = collections.Counter()
jax.monitoring.register_event_listener(lambda event, **more: events.update([event.rpartition("/")[2]]))
from collapsejax.cli.main import main
events["set_by_import"] = jax.config.jax_compilation_cache_dir is not None
main(sys.argv[1:])
print(json.dumps(events), file=sys.stderr)
"""

SIZE = ["--workflow", "replace", "--num-samples", "6", "--num-generations", "5", "--num-seeds", "8"]
RUN = ["run", "family", *SIZE]
# A program for two devices, and a second one in double precision for the summary.
SWEEP = ["sweep", "--task", "gaussian", "--dim", "2", *SIZE, "--devices", "2", "--keep", "summary"]


def process(home, *arguments, **variables):
    """Run the command line for a user whose files are in `home`; gives (events, lines of warning)."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    environment |= {name: str(home) for name in ("HOME", "XDG_CACHE_HOME", "WIN_PD_OVERRIDE_LOCAL_APPDATA")} | variables
    command = [sys.executable, "-c", PROGRAM, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 0, result.stderr
    *lines, events = result.stderr.splitlines()
    return json.loads(events), [line for line in lines if line.startswith("collapsejax: ")]


def programs(folder, found_by="text"):
    """Those that JAX finds by their text, or those that are found by what they are made from."""
    if found_by != "text":
        return sorted(folder.rglob("programs-*/*-program-cache"))
    return sorted(path for path in folder.rglob("*-cache") if not path.parent.name.startswith("programs"))


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A user's files after one sweep, and the events of that."""
    home = tmp_path_factory.mktemp("home")
    events, warned = process(home, *SWEEP, "--out", str(home / "first"))
    assert warned == []
    return home, events


def test_a_second_process_compiles_nothing_and_finds_the_same(kept):
    home, first = kept
    assert first["set_by_import"] == 0
    assert first["cache_misses"] == first["compile_requests_use_cache"] == len(programs(home)) >= 2
    second, warned = process(home, *SWEEP, "--out", str(home / "second"))
    # That of all generations is not asked for by its text, in either.
    assert second["cache_hits"] == second["compile_requests_use_cache"] == first["cache_misses"]
    assert len(programs(home, found_by="what it is made from")) == 1
    assert warned == []
    found, wanted = cj.open(home / "second"), cj.open(home / "first")
    for name in wanted.data_vars:
        np.testing.assert_array_equal(found[name], wanted[name], err_msg=name)
    if os.name == "posix":
        assert programs(home)[0].parent.stat().st_mode & 0o077 == 0


@pytest.mark.slow
def test_programs_that_were_cut_short_are_replaced(kept, tmp_path):
    home, first = kept
    for path in [*programs(home), *programs(home, found_by="what it is made from")]:
        os.truncate(path, 100)
    events, (line,) = process(home, *SWEEP, "--out", str(tmp_path / "g"))
    assert "persistent compilation cache" in line
    assert events["cache_misses"] == first["cache_misses"]
    events, warned = process(home, *SWEEP, "--out", str(tmp_path / "h"))
    assert (events["cache_hits"], warned) == (first["cache_misses"], [])


@pytest.mark.slow
def test_a_folder_of_the_users_choice_is_used(tmp_path):
    home, chosen = tmp_path / "home", tmp_path / "chosen"
    variables = {"JAX_COMPILATION_CACHE_DIR": str(chosen), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    events, _ = process(home, *RUN, **variables)
    assert events["cache_misses"] == len(programs(chosen)) > 0
    assert not home.exists()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The user's folder, with JAX as it comes, whose settings are put back."""
    names = ("enable_compilation_cache", "compilation_cache_dir", "persistent_cache_min_compile_time_secs")
    before = {f"jax_{name}": getattr(jax.config, f"jax_{name}") for name in names}
    jax.config.update("jax_enable_compilation_cache", True)
    jax.config.update("jax_compilation_cache_dir", None)
    monkeypatch.setattr(compilation_cache, "user_folder", lambda: tmp_path / "collapsejax" / "jaxlib")
    yield tmp_path / "collapsejax" / "jaxlib"
    for name, value in before.items():
        jax.config.update(name, value)


@pytest.mark.slow
def test_where_nothing_can_be_written_a_run_compiles(folder, capsys):
    folder.parent.touch()
    main(RUN)
    out, err = capsys.readouterr()
    assert "ran:" in out
    (line,) = (line for line in err.splitlines() if line.startswith("collapsejax: "))
    assert "compiled programs are not kept: " in line
    assert jax.config.jax_compilation_cache_dir is None


def test_a_folder_without_room_for_a_program_is_not_used(folder):
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.warns(UserWarning, match="not kept: .*too large"):
            compilation_cache.set_up()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert jax.config.jax_compilation_cache_dir is None
    assert list(folder.iterdir()) == []


def test_off(folder, capsys):
    main([*RUN, "--no-compilation-cache"])
    out, err = capsys.readouterr()
    assert "ran:" in out
    assert "collapsejax: " not in err
    assert not folder.parent.exists()


@pytest.mark.slow
def test_the_flag_is_stronger_than_a_folder_of_the_users_choice(folder, tmp_path):
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "chosen"))
    compilation_cache.set_up()
    assert jax.config.jax_enable_compilation_cache
    compilation_cache.set_up(off=True)
    assert not jax.config.jax_enable_compilation_cache
    assert not folder.exists()


def test_what_was_not_used_for_longest_goes_first(folder, monkeypatch):
    monkeypatch.setattr(compilation_cache, "_MOST_BYTES", 250)
    other = folder.with_name("jaxlib-of-before")
    for place in (folder, other):
        place.mkdir(parents=True)
    for name, used, written in (("unused", 2, 2), ("used", 4, 1), ("written", 3, 3)):
        path = (other if name == "unused" else folder) / f"{name}-cache"
        path.write_bytes(bytes(100))
        os.utime(path, (used, written))
    (folder / "other").write_bytes(bytes(1000))
    compilation_cache.set_up()
    assert jax.config.jax_compilation_cache_dir == str(folder)
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == ["other", "used-cache", "written-cache"]
    assert not programs(other)


def test_a_warning_empties_the_users_folder_alone(folder):
    warning = "Error reading persistent compilation cache entry for 'jit_run': cut short"
    compilation_cache.set_up()
    (folder / "a-cache").touch()
    compilation_cache.mend("2 of 3 shards are missing")
    assert programs(folder)
    compilation_cache.mend(warning)
    assert not programs(folder)
    (folder / "a-cache").touch()
    jax.config.update("jax_compilation_cache_dir", "chosen")
    compilation_cache.mend(warning)
    assert programs(folder)


def test_who_has_no_home_keeps_nothing(folder, monkeypatch):
    def fails():
        raise RuntimeError("could not determine the home directory")

    monkeypatch.setattr(compilation_cache, "user_folder", fails)
    with pytest.warns(UserWarning, match="not kept: could not determine the home"):
        compilation_cache.set_up()
    assert jax.config.jax_compilation_cache_dir is None
    compilation_cache.mend("Error writing persistent compilation cache entry for 'jit_run'")


@pytest.mark.skipif(sys.platform != "linux", reason="the folders of other platforms are platformdirs' own tests")
@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, "/home/ada/.cache/collapsejax"),
        ({"XDG_CACHE_HOME": "/scratch"}, "/scratch/collapsejax"),
        ({"XDG_CACHE_HOME": "scratch"}, "/home/ada/.cache/collapsejax"),  # a relative path does not count
    ],
)
def test_the_folder_is_below_the_users_cache(variables, wanted, monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert compilation_cache.user_folder().parent == Path(wanted)


def test_another_processor_or_jaxlib_has_another_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(compilation_cache, "_CPUINFO", processor := tmp_path / "cpuinfo")
    text = "processor: 0\nmodel name: A\ncpu MHz: 1000\nflags: sse avx\n\nprocessor: 1\ncpu MHz: 2000\n"
    processor.write_text(text)
    here = compilation_cache.user_folder()
    for old, new, same in [
        ("avx", "avx avx512f", False),
        ("A", "B", False),
        ("1000", "3000", True),
        ("2000", "1", True),
    ]:
        processor.write_text(text.replace(old, new))
        assert (compilation_cache.user_folder() == here) is same
    processor.write_text(text)
    monkeypatch.setattr("collapsejax.store.provenance.installed_version", lambda package: "99.0")
    assert compilation_cache.user_folder() != here


@pytest.mark.slow
def test_without_the_cache_no_program_is_read(tmp_path):
    """Neither where the metrics are named, which are found out before anything is simulated."""
    variables = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    process(tmp_path, *RUN, **variables)
    for path in programs(tmp_path):
        os.truncate(path, 100)
    events, warned = process(tmp_path, *RUN, "--metric", "sq_error", "--no-compilation-cache", **variables)
    assert (events.get("cache_hits", 0), events.get("compile_requests_use_cache", 0), warned) == (0, 0, [])
