"""Conciliação automática: which money that came in pays which receivable.

A key that the bank itself repeats (txid, nosso número) is proof. Without one, an amount within days of the
due date is enough only where no other transaction and no other receivable fits; whatever else fits waits for
a person. What is found does not depend on the order in which it is given.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

EARLIEST, LATEST = timedelta(days=-30), timedelta(days=30)
"""Days from the due date within which an amount may be a payment."""
MOST_CANDIDATES = 10
"""Of what waits, so many receivables are shown for a transaction: the nearest by date."""
OPEN = ("open", "overdue")


class Rule(StrEnum):
    TXID = "txid"
    OUR_NUMBER = "our_number"
    AMOUNT = "amount"
    PAYER = "payer"  # a part of the amount, by the same CPF or CNPJ

    @property
    def label(self) -> str:
        return _LABELS[self]


_LABELS = {
    Rule.TXID: "txid",
    Rule.OUR_NUMBER: "nosso número",
    Rule.AMOUNT: "valor e data",
    Rule.PAYER: "mesmo pagador, valor parcial",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """Money that came in and is linked to nothing. `document` is the payer's CPF or CNPJ. Of a `doubted` one
    a person has refused a receivable already: nothing but its keys is taken for sure any more."""

    id: UUID
    amount: Decimal
    booked_on: date
    txid: str | None = None
    our_number: str | None = None
    document: str | None = None
    doubted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """A receivable. `received` is what is linked to it, `paid_amount` what the bank or the ERP calls paid."""

    id: UUID
    amount: Decimal
    due_on: date
    status: str = "open"
    paid_amount: Decimal | None = None
    received: Decimal = Decimal(0)
    txid: str | None = None
    our_number: str | None = None
    document: str | None = None

    @property
    def due(self) -> Decimal:
        """What is still to be seen on an account; nothing of what was cancelled."""
        if self.status == "paid":
            return (self.paid_amount or self.amount) - self.received
        return self.amount - self.received if self.status in OPEN else Decimal(0)


@dataclass(frozen=True, slots=True, order=True)
class Pairing:
    credit: UUID
    charge: UUID
    rule: Rule


@dataclass(slots=True)
class Found:
    """`sure` has each credit once at most, in the order in which they are to be linked; `waiting` has none
    that is sure."""

    sure: list[Pairing] = field(default_factory=list)
    waiting: list[Pairing] = field(default_factory=list)


def match(
    credits: Iterable[Credit],  # noqa: A002 - what the field calls them
    charges: Iterable[Charge],
    refused: frozenset[tuple[UUID, UUID]] = frozenset(),
) -> Found:
    """`refused` are pairs (credit, charge) that a person ruled out."""
    found = Found()
    ordered = sorted(credits, key=lambda one: (one.booked_on, one.id))
    known = {one.id: one for one in charges}
    due = {id_: one.due for id_, one in known.items()}
    rest = _by_key(ordered, known, due, refused, found)
    _by_amount(rest, [one for one in known.values() if one.status in OPEN], due, refused, found)
    found.waiting.sort()
    return found


def settled(charge: Charge, received: Decimal) -> tuple[str, Decimal]:
    """Status and paid amount of a charge once `received` is linked to it in all. A part leaves it open."""
    if charge.status == "paid":
        return "paid", max(charge.paid_amount or Decimal(0), received)
    return ("paid" if received >= charge.amount else charge.status), received


def number(text: str | None) -> str:
    """A nosso número without the zeros and the punctuation that banks write or leave out."""
    return "".join(filter(str.isalnum, text or "")).lstrip("0")


def _by_key(
    credits: Sequence[Credit],  # noqa: A002
    charges: Mapping[UUID, Charge],
    due: dict[UUID, Decimal],
    refused: frozenset[tuple[UUID, UUID]],
    found: Found,
) -> list[Credit]:
    """Pair by keys, the earliest payment first; gives back the credits whose keys are nobody's."""
    keys: defaultdict[tuple[Rule, str], list[UUID]] = defaultdict(list)
    for charge in charges.values():
        for key in _keys(charge):
            keys[key].append(charge.id)
    rest: list[Credit] = []
    for credit in credits:
        fitting: dict[UUID, Rule] = {}
        for key in _keys(credit):
            for id_ in keys[key]:
                fitting.setdefault(id_, key[0])
        named = {id_: rule for id_, rule in fitting.items() if (credit.id, id_) not in refused}
        if not fitting:
            rest.append(credit)
        elif len(named) == 1 and due[next(iter(named))] > 0:
            ((id_, rule),) = named.items()
            due[id_] -= credit.amount
            found.sure.append(Pairing(credit.id, id_, rule))
        else:
            # Several charges with one key, one that is paid already, or one that was cancelled.
            found.waiting += [Pairing(credit.id, id_, rule) for id_, rule in named.items()]
    return rest


def _by_amount(
    credits: Sequence[Credit],  # noqa: A002
    charges: Sequence[Charge],
    due: Mapping[UUID, Decimal],
    refused: frozenset[tuple[UUID, UUID]],
    found: Found,
) -> None:
    amounts, payers = defaultdict[Decimal, list[Charge]](list), defaultdict[str, list[Charge]](list)
    for charge in charges:
        if due[charge.id] > 0:
            amounts[due[charge.id]].append(charge)
            if charge.document:
                payers[charge.document].append(charge)
    fitting: dict[UUID, list[Charge]] = {}
    for credit in credits:
        near = [one for one in amounts[credit.amount] if _near(credit, one, refused)]
        same = [one for one in near if _is_payer(credit, one)]
        fitting[credit.id] = same or near
    wanted = Counter(one.id for some in fitting.values() for one in some)
    for credit in credits:
        some = fitting[credit.id]
        if len(some) == 1 and wanted[some[0].id] == 1 and _is_plain(credit, some[0]):
            found.sure.append(Pairing(credit.id, some[0].id, Rule.AMOUNT))
        elif some:
            found.waiting += _nearest(credit, some, Rule.AMOUNT)
        else:
            parts = [
                one
                for one in payers[credit.document or ""]
                if credit.amount < due[one.id] and _near(credit, one, refused)
            ]
            found.waiting += _nearest(credit, parts, Rule.PAYER)


def _keys(one: Credit | Charge) -> list[tuple[Rule, str]]:
    keys = ((Rule.TXID, (one.txid or "").strip()), (Rule.OUR_NUMBER, number(one.our_number)))
    return [key for key in keys if key[1]]


def _near(credit: Credit, charge: Charge, refused: frozenset[tuple[UUID, UUID]]) -> bool:
    """Within days of the due date, and no key says that it is another's."""
    theirs = dict(_keys(charge))
    if any(theirs.get(rule, key) != key for rule, key in _keys(credit)):
        return False
    near = EARLIEST <= credit.booked_on - charge.due_on <= LATEST
    return near and (credit.id, charge.id) not in refused


def _is_payer(credit: Credit, charge: Charge) -> bool:
    return bool(credit.document) and credit.document == charge.document


def _is_plain(credit: Credit, charge: Charge) -> bool:
    """Nothing speaks against it: neither a key that we do not know, nor another payer, nor a person."""
    stranger = credit.document and charge.document and credit.document != charge.document
    return not (stranger or _keys(credit) or credit.doubted)


def _nearest(credit: Credit, charges: Sequence[Charge], rule: Rule) -> list[Pairing]:
    ordered = sorted(charges, key=lambda one: (abs(credit.booked_on - one.due_on), one.id))
    return [Pairing(credit.id, one.id, rule) for one in ordered[:MOST_CANDIDATES]]
