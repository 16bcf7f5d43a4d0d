"""The rule of reconciliation: what is sure, what waits, and that nothing is ever paid twice."""

import random
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.reconciling import Charge, Credit, Found, Pairing, Rule, match, settled

DAY = date(2026, 11, 3)
ANA, BIA = "52998224725", "11144477735"


def credit(n: int = 1, amount: str = "100.00", **fields: Any) -> Credit:
    return Credit(id=UUID(int=n), amount=Decimal(amount), booked_on=fields.pop("on", DAY), **fields)


def charge(n: int = 1, amount: str = "100.00", **fields: Any) -> Charge:
    return Charge(id=UUID(int=1000 + n), amount=Decimal(amount), due_on=fields.pop("on", DAY), **fields)


def sure(found: Found) -> list[tuple[int, int, Rule]]:
    return sorted((one.credit.int, one.charge.int - 1000, one.rule) for one in found.sure)


def waiting(found: Found) -> list[tuple[int, int, Rule]]:
    return [(one.credit.int, one.charge.int - 1000, one.rule) for one in found.waiting]


def test_a_key_is_proof_whatever_the_amount_and_day() -> None:
    credits_ = [
        credit(1, "103.50", txid="abc", on=DAY + timedelta(days=90)),
        credit(2, "40.00", our_number="000123-4"),
    ]
    found = match(credits_, [charge(1, txid="abc"), charge(2, our_number="1234")])
    assert sure(found) == [(1, 1, Rule.TXID), (2, 2, Rule.OUR_NUMBER)]
    assert found.waiting == []


def test_an_amount_is_enough_where_nothing_else_fits() -> None:
    assert sure(match([credit()], [charge()])) == [(1, 1, Rule.AMOUNT)]


@pytest.mark.parametrize(
    ("credits_", "charges"),
    [
        ([credit(1)], [charge(1), charge(2)]),
        ([credit(1), credit(2)], [charge(1)]),
        ([credit(1, document=ANA)], [charge(1, document=BIA)]),
        ([credit(1, txid="unknown")], [charge(1)]),
        ([credit(1, doubted=True)], [charge(1)]),
    ],
    ids=["two charges", "two payments", "another payer", "a key of another's", "a person said no before"],
)
def test_what_is_not_certain_waits(credits_: list[Credit], charges: list[Charge]) -> None:
    found = match(credits_, charges)
    assert found.sure == []
    assert len(found.waiting) == len(credits_) * len(charges)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (credit(amount="100.01"), charge()),
        (credit(on=DAY + timedelta(days=31)), charge()),
        (credit(on=DAY - timedelta(days=31)), charge()),
        (credit(txid="a"), charge(txid="b")),
        (credit(), charge(status="paid", paid_amount=Decimal(100))),
        (credit(), charge(status="cancelled")),
    ],
)
def test_what_does_not_fit_is_not_even_proposed(one: Credit, other: Charge) -> None:
    assert match([one], [other]) == Found()


def test_the_payer_tells_two_equal_charges_apart() -> None:
    charges = [charge(1, document=ANA), charge(2, document=BIA)]
    assert sure(match([credit(document=BIA)], charges)) == [(1, 2, Rule.AMOUNT)]


def test_the_second_payment_of_one_boleto_waits() -> None:
    twice = [credit(2, our_number="7"), credit(1, our_number="7", on=DAY - timedelta(days=1))]
    found = match(twice, [charge(our_number="7")])
    assert sure(found) == [(1, 1, Rule.OUR_NUMBER)]
    assert waiting(found) == [(2, 1, Rule.OUR_NUMBER)]


def test_parts_of_one_charge_are_added_up() -> None:
    found = match([credit(1, "30.00", txid="t"), credit(2, "70.00", txid="t")], [charge(txid="t")])
    assert sure(found) == [(1, 1, Rule.TXID), (2, 1, Rule.TXID)]
    assert settled(charge(), Decimal(30)) == ("open", Decimal(30))
    assert settled(charge(status="overdue"), Decimal(30)) == ("overdue", Decimal(30))
    assert settled(charge(), Decimal(100)) == ("paid", Decimal(100))


def test_a_part_without_key_is_proposed_by_its_payer() -> None:
    found = match([credit(amount="30.00", document=ANA)], [charge(document=ANA), charge(2, document=BIA)])
    assert (sure(found), waiting(found)) == ([], [(1, 1, Rule.PAYER)])


def test_what_the_bank_calls_paid_gets_its_line_and_keeps_its_amount() -> None:
    paid = charge(status="paid", paid_amount=Decimal("98.00"), our_number="7")
    assert sure(match([credit(amount="98.00", our_number="7")], [paid])) == [(1, 1, Rule.OUR_NUMBER)]
    assert settled(paid, Decimal(98)) == ("paid", Decimal(98))
    done = replace(paid, received=Decimal("98.00"))
    assert waiting(match([credit(amount="98.00", our_number="7")], [done])) == [(1, 1, Rule.OUR_NUMBER)]


def test_a_refused_pair_is_not_proposed_again_and_nothing_else_is_taken_for_sure() -> None:
    refused = frozenset({(UUID(int=1), UUID(int=1001))})
    assert match([credit(txid="t", doubted=True)], [charge(txid="t")], refused) == Found()
    found = match([credit(doubted=True)], [charge(1), charge(2)], refused)
    assert (sure(found), waiting(found)) == ([], [(1, 2, Rule.AMOUNT)])


keys = st.sampled_from([None, None, "a", "b"])
amounts = st.sampled_from([Decimal(10), Decimal(20), Decimal("20.01")])
days = st.integers(-40, 40).map(lambda n: DAY + timedelta(days=n))
documents = st.sampled_from([None, ANA, BIA])
credits_of = st.lists(
    st.builds(
        Credit, id=st.uuids(), amount=amounts, booked_on=days, txid=keys, our_number=keys, document=documents
    ),
    max_size=7,
    unique_by=lambda one: one.id,
)
charges_of = st.lists(
    st.builds(
        Charge,
        id=st.uuids(),
        amount=amounts,
        due_on=days,
        status=st.sampled_from(["open", "open", "overdue", "paid", "cancelled"]),
        txid=keys,
        our_number=keys,
        document=documents,
    ),
    max_size=7,
    unique_by=lambda one: one.id,
)


@given(credits_of, charges_of, st.randoms(use_true_random=False))
def test_the_order_in_which_things_come_changes_nothing(
    credits_: list[Credit], charges: list[Charge], chance: random.Random
) -> None:
    shuffled = chance.sample(credits_, len(credits_)), chance.sample(charges, len(charges))
    assert match(credits_, charges) == match(*shuffled)


@given(credits_of, charges_of)
def test_nothing_is_paid_twice(credits_: list[Credit], charges: list[Charge]) -> None:
    found, amount = match(credits_, charges), {one.id: one.amount for one in credits_}
    assert max(Counter(one.credit for one in found.sure).values(), default=0) <= 1
    assert {one.credit for one in found.sure}.isdisjoint(one.credit for one in found.waiting)
    assert len(set(found.waiting)) == len(found.waiting)
    for one in charges:
        paid = [amount[pairing.credit] for pairing in found.sure if pairing.charge == one.id]
        assert not paid or one.due > 0
        # Only the last payment may go beyond what was due: interest, or a part too much.
        assert sum(sorted(paid)[:-1]) < one.due or len(paid) <= 1


@given(credits_of, charges_of, st.integers(0, 7))
def test_a_later_run_doubles_nothing_that_an_earlier_one_paired(
    credits_: list[Credit], charges: list[Charge], cut: int
) -> None:
    first = match(credits_[:cut], charges)
    amount = {one.id: one.amount for one in credits_}
    received: defaultdict[UUID, Decimal] = defaultdict(Decimal)
    for pairing in first.sure:
        received[pairing.charge] += amount[pairing.credit]
    linked = {one.credit for one in first.sure}
    after = []
    for one in charges:
        total = received[one.id]
        status, paid = settled(one, total) if total else (one.status, one.paid_amount)
        after.append(replace(one, received=total, status=status, paid_amount=paid))
    second = match([one for one in credits_ if one.id not in linked], after)
    due = {one.id: one.due for one in after}
    assert all(due[pairing.charge] > 0 for pairing in second.sure)
    assert linked.isdisjoint(one.credit for one in second.sure)


def test_of_many_that_fit_the_nearest_are_shown() -> None:
    many = [charge(n, on=DAY + timedelta(days=n % 25)) for n in range(40)]
    found = match([credit()], many)
    assert len(found.waiting) == 10
    assert Pairing(UUID(int=1), UUID(int=1000), Rule.AMOUNT) in found.waiting
