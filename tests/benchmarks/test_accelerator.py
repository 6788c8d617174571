"""What the benchmarks of accelerators read in compiled programs, and that they run."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def launches(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("launches")


# As XLA writes it for a GPU: a command buffer is a call; a tuple's type has comments in it.
HLO = """HloModule jit_f

%inner (p: (s32[], f32[8])) -> (s32[], f32[8]) {
  %p = (s32[], f32[8]) parameter(0)
  %x = f32[8]{0} get-tuple-element(%p), index=1
  %fusion.9 = f32[8]{0} fusion(%x), kind=kLoop, calls=%f9
  %copy.1 = f32[8]{0} copy(%fusion.9)
  ROOT %tuple.9 = (s32[], f32[8]) tuple(%i, %copy.1)
}

%buffer (x: f32[8]) -> f32[8] {
  %x = f32[8]{0} parameter(0)
  %fusion.1 = f32[8]{0} fusion(%x), kind=kLoop, calls=%f1
  ROOT %fusion.2 = f32[8]{0} fusion(%fusion.1), kind=kLoop, calls=%f2
}

%body (p: (s32[], f32[8])) -> (s32[], /*index=1*/f32[8]) {
  %p = (s32[], f32[8]) parameter(0)
  %x = f32[8]{0} get-tuple-element(%p), index=1
  %call.1 = f32[8]{0} call(%x), to_apply=%buffer
  %while.1 = (s32[], f32[8]) while(%t), condition=%c, body=%inner, backend_config={"known_trip_count":{"n":"3"}}
  %while.2 = (s32[], /*index=1*/f32[8]) while(%t), condition=%c, body=%inner
  ROOT %tuple.1 = (s32[], /*index=1*/f32[8]) tuple(%i, %x)
}

%short (p: (s32[], f32[8])) -> (s32[], f32[8]) {
  %fusion.7 = f32[8]{0} fusion(%x), kind=kLoop, calls=%f7
  ROOT %tuple.7 = (s32[], f32[8]) tuple(%i, %fusion.7)
}

ENTRY %main (x: f32[8]) -> f32[8] {
  %x = f32[8]{0} parameter(0)
  %while.7 = (s32[], f32[8]) while(%t), condition=%c, body=%short, backend_config={"known_trip_count":{"n":"900"}}
  %while.8 = (s32[], f32[8]) while(%t), condition=%c, body=%body, backend_config={"known_trip_count":{"n":"100"}}
  ROOT %y = f32[8]{0} get-tuple-element(%while.8), index=1
}
"""


def test_launches_of_a_generation(launches):
    """Two of the command buffer, and two in each of three turns; none of the loop that data end."""
    assert launches.of_generation(HLO) == (2 + 3 * 2, 1)
    with pytest.raises(ValueError, match="no loop of known length"):
        launches.of_generation(HLO.partition("ENTRY")[0] + "ENTRY %main (x: f32[8]) -> f32[8] {\n}\n")


def test_launches_of_a_compiled_program(launches):
    """A loop within, whose length is data, is found in what JAX compiles here."""

    def generation(x, _):
        return jax.lax.while_loop(lambda x: jnp.sum(x) > 1, lambda x: x / 2, jnp.sort(x) + 1), None

    program = jax.jit(lambda x: jax.lax.scan(generation, x, length=50)[0]).lower(jnp.ones(100)).compile()
    found = launches.of_generation(program.as_text())
    assert found.data_loops == 1
    assert 1 <= found.kernels < 20


@pytest.mark.slow
def test_every_section_runs_anywhere(tmp_path):
    out = tmp_path / "accelerator.jsonl"
    command = [sys.executable, BENCHMARKS / "accelerator.py", "--tiny", "--out", out]
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    first, *records = map(json.loads, out.read_text().splitlines())
    assert first["device"]["platform"] == "cpu"
    sections = {record["section"] for record in records if "section_s" in record}
    known = "card compilation throughput agreement command-buffers language sweep profile autotuning"
    assert sections == set(known.split())
    assert not [record for record in records if "error" in record or "--minutes" in record.get("left_out", "")]
    assert "gaussian-d1-n100-replace" in done.stdout.split("largest |z|")[1]
