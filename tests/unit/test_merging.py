"""The three-way merge, against what it means field by field."""

import copy
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.entities import ConflictPolicy
from core.merging import Merged, chooser, merge
from core.records import Address, Customer, Product, Variant
from core.trees import Tree, differing, rebuilt, tree

FIELDS = frozenset({"sku", "name", "price", "active", "variants"})
NAMES = ("name", "price", "active")

values = st.integers(0, 2)
parts = st.dictionaries(st.sampled_from(["A", "B"]), st.fixed_dictionaries({"price": values, "on": values}))
trees = st.fixed_dictionaries({"name": values, "price": values, "active": values, "variants": parts})


def ask(_path: str) -> None:
    return None


def three_way(base: Tree, erp: Tree, external: Tree, choose: Any = ask) -> Merged:
    return merge(copy.deepcopy(base), copy.deepcopy(base), erp, external, choose)


@given(trees, trees)
def test_a_change_on_one_side_reaches_the_other(base: Tree, changed: Tree) -> None:
    outward, inward = three_way(base, changed, base), three_way(base, base, changed)
    assert (outward.erp, outward.external, outward.conflicts) == (changed, changed, ())
    assert (inward.erp, inward.external, inward.conflicts) == (changed, changed, ())


@given(trees, trees)
def test_equal_changes_are_no_conflict(base: Tree, changed: Tree) -> None:
    merged = three_way(base, changed, copy.deepcopy(changed))
    assert (merged.erp, merged.external, merged.base, merged.conflicts) == (changed, changed, changed, ())


@given(trees, trees, trees)
def test_both_sides_end_equal_under_a_policy(base: Tree, erp: Tree, external: Tree) -> None:
    for side in ("erp", "external"):
        merged = three_way(base, erp, external, lambda _path, side=side: side)
        assert merged.conflicts == ()
        assert merged.erp == merged.external
        for name in NAMES:
            ours, theirs, old = erp[name], external[name], base[name]
            winner = erp[name] if side == "erp" else external[name]
            expected = theirs if ours == old else ours if theirs == old else winner
            assert merged.erp[name] == expected


@given(trees, trees, trees)
def test_only_what_both_changed_differently_is_a_conflict(base: Tree, erp: Tree, external: Tree) -> None:
    merged = three_way(base, erp, external)
    for name in NAMES:
        both = erp[name] != base[name] and external[name] != base[name] and erp[name] != external[name]
        assert (name in merged.conflicts) is both
        if both:
            assert (merged.erp[name], merged.external[name]) == (erp[name], external[name])


@given(trees, trees, trees)
def test_the_base_shows_the_export_what_the_erp_changed(base: Tree, erp: Tree, external: Tree) -> None:
    """After the import wrote `erp`, what differs from the base is what goes out."""
    merged = three_way(base, erp, external, lambda _path: "erp")
    for name in NAMES:
        goes_out = merged.external[name] != external[name]
        assert (merged.erp[name] != merged.base.get(name)) is goes_out or base[name] == erp[name]


@given(trees, trees)
def test_without_a_base_every_difference_is_a_conflict(erp: Tree, external: Tree) -> None:
    merged = merge(None, None, erp, external, ask)
    assert {path.partition(".")[0] for path in merged.conflicts} == differing(erp, external) - {
        name for name in ("variants",) if _only_new_parts(erp, external)
    }


def _only_new_parts(erp: Tree, external: Tree) -> bool:
    """A part that one side alone has is new there, and goes to the other."""
    ours, theirs = erp["variants"], external["variants"]
    return all(ours[key] == theirs[key] for key in ours.keys() & theirs.keys())


def test_a_side_that_rounds_is_no_change() -> None:
    ours, theirs = {"price": "10.005"}, {"price": "10.01"}
    merged = merge(ours, theirs, dict(ours), dict(theirs), ask)
    assert (merged.erp, merged.external, merged.conflicts) == (ours, theirs, ())


def test_two_variants_changed_on_two_sides_are_merged() -> None:
    base = {"variants": {"A": {"price": 1}, "B": {"price": 1}}}
    erp = {"variants": {"A": {"price": 2}, "B": {"price": 1}}}
    external = {"variants": {"A": {"price": 1}, "B": {"price": 3}, "C": {"price": 9}}}
    merged = three_way(base, erp, external)
    expected = {"variants": {"A": {"price": 2}, "B": {"price": 3}, "C": {"price": 9}}}
    assert (merged.erp, merged.external, merged.conflicts) == (expected, expected, ())


def test_a_variant_removed_here_and_changed_there_is_a_conflict() -> None:
    base = {"variants": {"A": {"price": 1}}}
    merged = three_way(base, {"variants": {}}, {"variants": {"A": {"price": 2}}})
    assert merged.conflicts == ("variants.A",)


@pytest.mark.parametrize(
    ("policy", "erp_at", "external_at", "side"),
    [
        (ConflictPolicy.ERP_WINS, 1, 2, "erp"),
        (ConflictPolicy.EXTERNAL_WINS, 2, 1, "external"),
        (ConflictPolicy.NEWEST, 2, 1, "erp"),
        (ConflictPolicy.NEWEST, 1, 2, "external"),
        (ConflictPolicy.NEWEST, 1, None, None),
        (ConflictPolicy.ASK, 1, 2, None),
    ],
)
def test_policies(policy: ConflictPolicy, erp_at: int, external_at: int | None, side: str | None) -> None:
    def day(number: int | None) -> datetime | None:
        return datetime(2026, 4, number, tzinfo=UTC) if number else None

    assert chooser(policy, day(erp_at), day(external_at))("price") == side


def test_a_record_is_rebuilt_from_its_tree() -> None:
    product = Product(
        external_id="9",
        sku="CAF-1",
        name="Café",
        price=Decimal("59.90"),
        variants=(
            Variant(external_id="91", sku="CAF-1-P", price=Decimal("1.00"), options={"Tamanho": "P"}),
            Variant(external_id="92", sku="CAF-1-G", price=Decimal("2.00")),
        ),
    )
    found = tree(product, FIELDS)
    assert "external_id" not in found["variants"]["CAF-1-P"]
    assert rebuilt(product, found) == product
    found["variants"]["CAF-1-G"]["price"] = "3.00"
    del found["variants"]["CAF-1-P"]
    changed = rebuilt(product, found)
    assert isinstance(changed, Product)
    assert [(v.external_id, v.price) for v in changed.variants] == [("92", Decimal("3.00"))]


def test_addresses_are_told_apart_by_kind() -> None:
    customer = Customer(
        external_id="1",
        name="Ana",
        addresses=(Address(kind="billing", city="Recife"), Address(kind="shipping", city="Olinda")),
    )
    found = tree(customer, frozenset({"addresses"}))
    assert set(found["addresses"]) == {"billing", "shipping"}
    assert rebuilt(customer, found) == customer


def test_a_second_address_of_a_kind_is_a_part_of_its_own() -> None:
    customer = Customer(
        external_id="1",
        name="Ana",
        addresses=(Address(kind="shipping", city="Recife"), Address(kind="shipping", city="Olinda")),
    )
    found = tree(customer, frozenset({"addresses"}))
    assert set(found["addresses"]) == {"shipping", "shipping#2"}
    assert rebuilt(customer, found) == customer
