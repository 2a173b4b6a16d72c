"""``--set`` changes one field and nothing else."""

import pytest

from interflow.config.document import assign, parse, parse_assignment
from interflow.config.problems import InvalidConfigError
from tests.config.cases import TOUR


def after(*assignments, text=TOUR):
    document = parse(text)
    for assignment in assignments:
        document = assign(document, parse_assignment(assignment))
    return document.data


def test_a_field_changes_and_all_others_stay():
    changed = after("energy.kernel.sigma=0.2")
    assert changed["energy"]["kernel"] == {"kind": "gaussian", "sigma": 0.2}
    changed["energy"]["kernel"]["sigma"] = 0.1
    assert changed == parse(TOUR).data


def test_the_document_itself_stays_as_it_is():
    document = parse(TOUR)
    assign(document, parse_assignment("energy.kernel.sigma=0.2"))
    assert document == parse(TOUR)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("1.5", 1.5),
        ("x", "x"),
        ("[1, 2]", [1, 2]),
        ("null", None),
        ("true", True),
        ("{a: 1}", {"a": 1}),
        ("a=b", "a=b"),
    ],
)
def test_values_are_yaml(text, value):
    assert after(f"a={text}")["a"] == value


def test_sections_on_the_way_are_made():
    assert after("new.section.field=1")["new"] == {"section": {"field": 1}}


def test_a_number_is_an_index():
    assert after("terms.1.scale=3", text="terms: [{scale: 1}, {scale: 2}]") == {"terms": [{"scale": 1}, {"scale": 3}]}


def test_a_new_kind_keeps_the_fields_that_it_has_and_drops_the_others():
    text = "energy: {kernel: {kind: lennard_jones, scale: 2, epsilon: 1, sigma: 3, cutoff: 4}}"
    kernel = after("energy.kernel.kind=laplacian", text=text)["energy"]["kernel"]
    assert kernel == {"kind": "laplacian", "scale": 2, "sigma": 3}


def test_a_new_kind_of_sum_is_told_from_the_sums_of_other_families():
    text = "energy: {kind: sum, terms: []}"
    assert after("energy.kind=interaction", text=text)["energy"] == {"kind": "interaction"}


def test_an_unknown_kind_drops_nothing():
    assert after("energy.kernel.kind=nonsense")["energy"]["kernel"] == {"kind": "nonsense", "sigma": 0.1}


@pytest.mark.parametrize("text", ["run.steps", "=3", ".=3", "a..b=3", "a=[", "a=!!python/name:os.system x", "a=*x"])
def test_what_is_no_assignment_is_refused(text):
    with pytest.raises(InvalidConfigError):
        parse_assignment(text)


@pytest.mark.parametrize("text", ["seed.deeper=1", "energy.0=1", "run.steps.x=1"])
def test_a_path_through_a_value_is_refused(text):
    with pytest.raises(InvalidConfigError) as caught:
        after(text)
    assert caught.value.problems[0].place == "--set"


def test_an_index_past_the_end_is_refused():
    with pytest.raises(InvalidConfigError):
        after("terms.2.scale=1", text="terms: [{}, {}]")
