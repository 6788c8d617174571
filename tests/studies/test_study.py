import pytest

import collapsejax as cj
from collapsejax.studies.gaussian import GaussianStudy
from collapsejax.studies.study import Cost, Study, Sweep


def test_a_study_that_lacks_something_cannot_be_made():
    with pytest.raises(TypeError, match="Unnamed: a study needs the class variables name, claim; add them"):

        class Unnamed(Study):
            title, citation = "Something", "Somebody"
            full_cost = quick_cost = Cost(2, 1.0)

    class Unfinished(Study):
        name, title, citation, claim = "unfinished", "Something", "Somebody", "something"
        full_cost = quick_cost = Cost(2, 1.0)
        form, parts = "as published", {}
        figures = GaussianStudy.figures

    with pytest.raises(TypeError, match="finding"):
        Unfinished()


def test_costs_are_those_of_the_grid():
    study = GaussianStudy()
    assert (study.num_seeds, study.seconds) == study.full_cost
    assert (GaussianStudy(quick=True).num_seeds, GaussianStudy(quick=True).seconds) == study.quick_cost


def test_a_sweep_has_the_published_workflows_unless_told():
    part = Sweep(cj.Gaussian(1), {"num_samples": (4,)}, 2)
    assert part.workflows == ("replace", "accumulate-subsample", "accumulate")
