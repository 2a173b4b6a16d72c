import pytest

from interflow import ArgumentError, Euler, Heun, RungeKutta4, Tableau
from interflow.integrators.adaptive import EMBEDDED_METHODS
from interflow.integrators.runge_kutta import _trees

TABLEAUS = [Euler.tableau, Heun.tableau, RungeKutta4.tableau, *EMBEDDED_METHODS.values()]


def test_rooted_trees_are_as_many_as_cayley_counted():
    assert [len(_trees(nodes)) for nodes in range(1, 8)] == [1, 1, 2, 4, 9, 20, 48]


@pytest.mark.parametrize("tableau", TABLEAUS)
def test_no_method_has_a_higher_order_than_it_says(tableau):
    with pytest.raises(ArgumentError, match=f"order {tableau.order},"):
        Tableau(a=tableau.a, b=tableau.b, order=tableau.order + 1)


@pytest.mark.parametrize("tableau", TABLEAUS)
def test_a_changed_coefficient_is_found_by_the_order_conditions(tableau):
    for stage in range(len(tableau.b)):
        changed = tuple(b + 1e-6 * (i == stage) for i, b in enumerate(tableau.b))
        with pytest.raises(ArgumentError, match="`b`"):
            Tableau(a=tableau.a, b=changed, order=tableau.order)


def test_the_embedded_pair_shares_its_last_stage_with_the_next_step():
    assert all(pair.first_same_as_last for pair in EMBEDDED_METHODS.values())
    assert not RungeKutta4.tableau.first_same_as_last


@pytest.mark.parametrize("pair", EMBEDDED_METHODS.values())
def test_the_embedded_method_has_its_own_order(pair):
    assert abs(sum(pair.error)) < 1e-15
    with pytest.raises(ArgumentError, match="`embedded`"):
        Tableau(a=pair.a, b=pair.b, order=pair.order, embedded=pair.embedded, embedded_order=pair.order)


def test_shapes_that_are_no_tableau_are_named():
    with pytest.raises(ArgumentError, match="`a`"):
        Tableau(a=((1.0,),), b=(1.0,), order=1)
    with pytest.raises(ArgumentError, match="`b`"):
        Tableau(a=((),), b=(0.5, 0.5), order=1)
