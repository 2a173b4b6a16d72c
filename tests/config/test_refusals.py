"""A config that is wrong is refused with the path of each field, what came and what is allowed, and nothing else."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interflow.config import RunConfig, load
from interflow.config.document import parse
from interflow.config.loading import validate
from interflow.config.problems import InvalidConfigError
from interflow.errors import ConfigError
from tests.config import cases


def refused(data):
    with pytest.raises(ConfigError) as caught:
        validate(RunConfig, data).build()
    assert isinstance(caught.value, InvalidConfigError)
    return caught.value.problems


def changed(path, value, text=cases.TOUR):
    data = parse(text).data
    section = data
    for name in path[:-1]:
        section = section[name]
    section[path[-1]] = value
    return data


@pytest.mark.parametrize(
    ("field", "value", "wanted"),
    [
        ("energy.kernel.sigma", -1.0, "a positive number"),
        ("energy.kernel.sigma", "wide", "a finite number"),
        ("energy.kernel.sigma", float("nan"), "a finite number"),
        ("energy.kernel.sigma", True, "a finite number"),
        ("energy.kernel.sigma", 10**400, "a finite number"),
        ("energy.kernel.learnable", 1, "true or false"),
        ("energy.kernel", None, "a mapping with a `kind`"),
        ("energy.kernel", [1], "a mapping with a `kind`"),
        ("energy.scale", float("inf"), "a finite number"),
        ("boundary.lengths", [], "a number or a list of numbers"),
        ("boundary.lengths", [1, [2]], "a finite number"),
        ("boundary.lengths", {"x": 1}, "a number or a list of numbers"),
        ("boundary.lengths", 0, "a positive number"),
        ("integrator.step_size", 0, "a positive number"),
        ("particles", 3, "a mapping"),
        ("particles.count", 0, "a number ≥ 1"),
        ("particles.count", 1.5, "a whole number"),
        ("particles.dimension", "two", "a whole number"),
        ("run.steps", -1, "a number ≥ 0"),
        ("run.steps", True, "a whole number"),
        ("run.save_every", 0, "a number ≥ 1"),
        ("seed", 2**63, "a number <"),
        ("dtype", "float16", "'float32' or 'float64'"),
        ("device", "abacus", "a device of this machine"),
        ("device", 0, "text"),
        ("backend.tolerance", "small", "a finite number"),
    ],
)
def test_the_message_names_field_value_and_what_is_allowed(field, value, wanted):
    (problem,) = refused(changed(field.split("."), value))
    assert ".".join(map(str, problem.path)) == field
    assert wanted in problem.wanted
    assert len(str(problem).splitlines()) == 1


@pytest.mark.parametrize(
    ("field", "suggestion"),
    [("energy.kernel.sigm", "sigma"), ("enrgy", "energy"), ("particles.cuont", "count"), ("run.step", "steps")],
)
def test_an_unknown_field_is_answered_with_the_closest_one(field, suggestion):
    (problem,) = refused(changed(field.split("."), 1))
    assert problem.remedy == f"Did you mean `{suggestion}`?"


def test_an_unknown_kind_is_answered_with_the_closest_one():
    (problem,) = refused(changed(["energy", "kernel", "kind"], "lapacian"))
    assert problem.path == ("energy", "kernel", "kind")
    assert problem.remedy == "Did you mean `laplacian`?"


def test_a_missing_kind_is_named():
    (problem,) = refused(changed(["energy", "kernel"], {"sigma": 1}))
    assert (problem.path, problem.came) == (("energy", "kernel", "kind"), "nothing")


@pytest.mark.parametrize("field", ["particles", "energy", "integrator", "run"])
def test_a_missing_section_is_named(field):
    data = parse(cases.TOUR).data
    del data[field]
    assert [problem.path for problem in refused(data)] == [(field,)]


@pytest.mark.parametrize("field", ["boundary", "backend", "tolerance"])
def test_an_energy_has_no_boundary_and_no_backend_of_its_own(field):
    (problem,) = refused(changed(["energy", field], {"kind": "open"}))
    assert problem.path == ("energy", field)


def test_all_problems_are_told_at_once():
    data = changed(["run", "steps"], "many")
    data["particles"]["count"] = 0
    data["energy"]["kernel"]["sigma"] = "wide"
    assert {problem.path for problem in refused(data)} == {
        ("run", "steps"), ("particles", "count"), ("energy", "kernel", "sigma"),
    }  # fmt: skip


def test_a_term_of_a_sum_is_named_by_its_index():
    terms = [{"kind": "gaussian", "sigma": 1}, {"kind": "gaussian", "sigma": 0}]
    (problem,) = refused(changed(["energy", "kernel"], {"kind": "sum", "terms": terms}))
    assert problem.path == ("energy", "kernel", "terms", 1, "sigma")


@pytest.mark.parametrize("path", [["energy", "kernel"], ["energy"]])
def test_an_empty_sum_is_refused(path):
    (problem,) = refused(changed(path, {"kind": "sum", "terms": []}))
    assert problem.path == (*path, "terms")


def test_a_domain_of_other_dimension_is_refused():
    (problem,) = refused(changed(["boundary", "lengths"], [1, 1, 1]))
    assert problem.path == ("particles",)


def test_a_corner_of_other_dimension_is_refused():
    distribution = {"kind": "normal", "mean": [0, 0, 0]}
    (problem,) = refused(changed(["particles", "distribution"], distribution))
    assert problem.path == ("particles", "distribution", "mean")


@pytest.mark.parametrize("target", [[], [[1, 2], [3]], [[1, 2], 3], 5, "points.npy", [["x", 1]]])
def test_a_target_that_is_no_cloud_is_refused(target):
    energy = {"kind": "discrepancy", "discrepancy": {"kind": "energy_distance"}, "target": target}
    (problem,) = refused(changed(["energy"], energy))
    assert problem.path[:2] == ("energy", "target")


def test_numbers_given_as_text_are_accepted_where_a_number_is_due():
    data = changed(["energy", "kernel", "sigma"], "1e-1")
    data["run"]["steps"] = "1e3"
    data["boundary"]["lengths"] = ["1e0", 1]
    run = validate(RunConfig, data)
    assert (run.energy.kernel.sigma, run.run.steps, run.boundary.lengths) == (0.1, 1000, (1.0, 1.0))


def test_problems_say_file_and_line(tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text(cases.TOUR.replace("sigma: 0.1", "sigma: wide"))
    with pytest.raises(ConfigError, match=r"bad\.yaml:5: energy\.kernel\.sigma: got 'wide', wanted a finite number\.$"):
        load(file)


def test_a_value_that_was_set_is_not_blamed_on_the_file(tmp_path):
    file = tmp_path / "good.yaml"
    file.write_text(cases.TOUR)
    with pytest.raises(ConfigError, match=r"^--set: energy\.kernel\.sigma"):
        load(file, ["energy.kernel.sigma=wide"])


def found(data):
    """The problems of a config, none where it is read and built."""
    try:
        validate(RunConfig, data).build()
    except InvalidConfigError as error:
        return error.problems
    return ()


JUNK = st.none() | st.booleans() | st.text(max_size=5) | st.lists(st.integers(), max_size=2) | st.just({"junk": 1})


def paths(data, path=()):
    yield path
    for name, value in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        yield from paths(value, (*path, name))


@given(data=cases.runs, draw=st.data())
@settings(max_examples=150)
def test_a_config_with_junk_in_one_place_is_read_or_refused_naming_a_field(data, draw):
    path = draw.draw(st.sampled_from([path for path in paths(data) if path]))
    junk = copy.deepcopy(data)
    section = junk
    for name in path[:-1]:
        section = section[name]
    section[path[-1]] = draw.draw(JUNK)
    problems = found(junk)
    assert all(problem.path for problem in problems)
    assert all(len(str(problem).splitlines()) == 1 for problem in problems)
