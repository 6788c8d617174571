import dataclasses

import numpy as np
import pytest

from collapsejax.cli.main import main
from collapsejax.core.describe import describe
from collapsejax.experiments.value_checks import check_candidates, check_sizes
from collapsejax.studies.catalogue import STUDIES, find
from collapsejax.studies.study import CollapseTime, Sweep, ValueGrid
from collapsejax.workflows import find as find_workflow

NAMES = [study.name for study in STUDIES]
DEFAULT = ["gaussian", "kde", "regression", "discrete", "real-share"]


def all_studies(*, published=False, quick=False):
    return {study.name: study for study in find(NAMES, quick=quick, published=published)}


def test_names_are_found_in_the_order_of_the_list():
    assert len(set(NAMES)) == len(NAMES)
    assert [study.name for study in find([], quick=True, published=False)] == DEFAULT
    some = find(["value", "kde"], quick=True, published=True)
    assert [(study.name, study.quick, study.published) for study in some] == [
        ("kde", True, True),
        ("value", True, True),
    ]


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_every_study_can_be_carried_out(name, quick):
    (study,) = find([name], quick=quick, published=False)
    assert study.num_seeds >= (2 if quick else 100)
    assert study.seconds > 0
    assert all(isinstance(text, str) and text for text in (study.title, study.citation, study.claim, study.form))
    for part in study.parts.values():
        if isinstance(part, Sweep):
            assert "num_samples" in part.over
            for field, values in part.over.items():
                assert len(set(values)) == len(values) > 0
                for value in values:
                    assert field == "num_samples" or dataclasses.replace(part.task, **{field: value})
            assert all(find_workflow(one) for one in part.workflows if isinstance(one, str))
        elif isinstance(part, ValueGrid):
            check_sizes(part.task, part.num_real, part.num_synthetic, part.generator, part.teacher_rows)
            check_candidates(part.task, part.tune, min(part.num_real))
        else:
            assert isinstance(part, CollapseTime)
            assert part.task.num_outcomes == part.num_outcomes


def test_grids_are_the_papers():
    full = all_studies()
    assert [part.task.dim for part in full["gaussian"].parts.values()] == [1, 3, 10, 31, 100]
    assert [part.task.dim for part in full["regression"].parts.values()] == [1, 3, 10, 32, 100]
    assert list(full["kde"].parts) == ["blobs", "moons", "circles", "swiss_roll"]
    for name, generations in (("gaussian", 100), ("kde", 100), ("kde-bandwidth", 1000), ("kde-estimated", 1000)):
        for part in full[name].parts.values():
            assert (part.over["num_samples"], part.num_generations) == ((10, 32, 100, 316, 1000), generations)
    np.testing.assert_allclose(full["kde-bandwidth"].parts["moons"].over["bandwidth"], np.logspace(-2, 2, 9))
    assert [part.num_outcomes for part in full["discrete"].parts.values() if isinstance(part, CollapseTime)] == [
        10**power for power in range(1, 6)
    ]


def test_published_errors_are_switched_on():
    corrected, published = (all_studies(published=on) for on in (False, True))
    settings = lambda part: (describe(part.task), describe(getattr(part, "over", None)))
    differ = {
        (name, part)
        for name in NAMES
        for part, one in corrected[name].parts.items()
        if settings(one) != settings(published[name].parts[part])
    }
    blobs = {("kde", "blobs"), ("kde-bandwidth", "blobs")}
    rules = {("kde-estimated", name) for name in ("blobs", "moons", "circles", "swiss_roll")}
    assert differ == blobs | rules | {("regression", f"dim={dim}") for dim in (1, 3, 10, 32, 100)}
    assert not published["kde"].parts["blobs"].task.source.shared_centres
    assert list(published["kde-estimated"].parts["moons"].over["bandwidth"]) == ["scott", "silverman"]
    assert not published["regression"].parts["dim=3"].task.fresh_design
    for name in {name for name, _ in differ}:
        assert "as published" in published[name].form
        assert "corrected" in corrected[name].form


def test_unknown_study(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as leaving:
        main(["reproduce", "gausian", "--quick"])
    assert leaving.value.code == 2
    assert "study 'gausian': there is none; did you mean 'gaussian'?" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def test_the_help_names_every_study(capsys):
    with pytest.raises(SystemExit):
        main(["reproduce", "--help"])
    told = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert ", ".join(DEFAULT) + ": these if none is named" in told
    assert ", ".join(name for name in NAMES if name not in DEFAULT) + ": these take long" in told
