"""The order of mappings comes from their lookups (S62, S65, S73, S74, I7)."""

import pytest

from coupling.defaults.install import install_defaults
from coupling.models import Direction, FieldKind, FieldMapping, TableMapping
from coupling.prerequisites import in_order, parents, prerequisites

pytestmark = pytest.mark.django_db


def chain(**needs: list[tuple[str, bool]]) -> list[TableMapping]:
    """Mappings that refer to each other: name=[(other, may wait)]."""
    mappings = {name: TableMapping.objects.create(name=name, erp_table="x.X", crm_table="x") for name in needs}
    for name, others in needs.items():
        for position, (other, optional) in enumerate(others):
            FieldMapping.objects.create(
                mapping=mappings[name],
                erp_field=other,
                crm_column=f"{other}{position}",
                direction=Direction.BOTH,
                kind=FieldKind.LOOKUP,
                lookup=mappings[other],
                clear_on_failed=optional,
            )
    return list(mappings.values())


def test_s62_s65_s73_defaults_run_parents_first() -> None:
    install_defaults("NOK", "NOK")
    names = [mapping.name for mapping in in_order(TableMapping.objects.all())]
    assert names.index("SALESPEOPLE") < names.index("CUSTOMER")
    assert names.index("CURRENCY") < names.index("CUSTOMER") < names.index("CONTACT")


def test_s61_who_is_coupled_first_can_be_shown() -> None:
    install_defaults("NOK", "NOK")
    before = parents(TableMapping.objects.all())
    assert set(before["CUSTOMER"]) == {"CURRENCY", "SALESPEOPLE"}
    assert set(before["CONTACT"]) == {"CURRENCY", "CUSTOMER", "SALESPEOPLE"}
    assert before["CURRENCY"] == before["SALESPEOPLE"] == []


def test_i7_a_cycle_is_cut_at_the_optional_lookup() -> None:
    order = in_order(chain(A=[("B", True)], B=[("C", False)], C=[("A", False)]))
    assert [mapping.name for mapping in order] == ["A", "C", "B"]


def test_a_circle_of_required_lookups_is_named() -> None:
    with pytest.raises(ValueError, match="need each other"):
        in_order(chain(A=[("B", False)], B=[("A", False)]))


def test_a_declared_dependency_counts() -> None:
    a, b = chain(A=[], B=[])
    a.depends_on.add(b)
    assert in_order([a, b]) == [b, a]
    assert prerequisites(a) == {"B"}


def test_defaults_are_installed_once_and_changes_are_kept() -> None:
    assert set(install_defaults("NOK", "NOK")) == {"SALESPEOPLE", "CURRENCY", "CUSTOMER", "CONTACT"}
    FieldMapping.objects.filter(crm_column="fax").update(is_enabled=False)
    assert install_defaults("NOK", "NOK") == []
    assert not FieldMapping.objects.filter(crm_column="fax", is_enabled=True).exists()


def test_rates_are_not_sent_to_a_crm_with_another_base_currency() -> None:
    install_defaults("NOK", "USD")
    assert not FieldMapping.objects.get(crm_column="exchangerate").is_enabled
