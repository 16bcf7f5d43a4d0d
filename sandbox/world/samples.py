"""Invented objects, and random edits of them: functions of a seed."""

import random
from collections.abc import Iterator

from sandbox.world.disk import Disk
from sandbox.world.journal import place
from sandbox.world.kinds import Record

NAMES = ("Ana", "Bento", "Clara", "Davi", "Elisa", "Gil", "Helena", "Ivo", "Jonas", "Lia")
SURNAMES = ("Almeida", "Barros", "Cardoso", "Duarte", "Esteves", "Farias", "Gomes", "Lima", "Moraes", "Prado")
THINGS = ("Caneca", "Camiseta", "Mochila", "Caderno", "Garrafa", "Boné", "Luminária", "Toalha")
COLOURS = ("azul", "verde", "preta", "branca", "vermelha", "cinza")
STATUSES = ("pending", "paid", "shipped", "completed", "cancelled")


def objects(kind: str, first: int, count: int, seed: int) -> Iterator[Record]:
    """Natural keys come from the number: stock `n` has the SKU of product `n`."""
    chance = random.Random(f"{kind}:{seed}")
    make = {
        "categories": category,
        "products": product,
        "customers": customer,
        "stock": stock,
        "orders": order,
    }[kind]
    return (make(number, chance) for number in range(first, first + count))


def category(number: int, chance: random.Random) -> Record:
    return {"slug": f"categoria-{number}", "name": f"Categoria {number}", "position": chance.randrange(100)}


def product(number: int, chance: random.Random) -> Record:
    name = f"{chance.choice(THINGS)} {chance.choice(COLOURS)} {number}"
    return {"sku": sku(number), "name": name, "price": price(chance), "active": chance.random() < 0.9}


def customer(number: int, chance: random.Random) -> Record:
    name = f"{chance.choice(NAMES)} {chance.choice(SURNAMES)}"
    return {
        "document": cpf(number),
        "name": name,
        "email": f"cliente{number}@cliente.exemplo.test",
        "phone": phone(chance),
    }


def stock(number: int, chance: random.Random) -> Record:
    return {"sku": sku(number), "quantity": chance.randrange(200)}


def order(number: int, chance: random.Random) -> Record:
    quantity, cents = chance.randrange(1, 5), chance.randrange(500, 90_000)
    item = {"sku": sku(chance.randrange(1, 1000)), "quantity": quantity, "price": money(cents)}
    return {
        "number": f"W{number:08d}",
        "status": chance.choice(STATUSES),
        "document": cpf(chance.randrange(1, 1000)),
        "total": money(cents * quantity),
        "items": [item],
    }


def mutate(disk: Disk, seed: int, count: int, kind: str | None, create: float, delete: float) -> list[Record]:
    """That many edits by a person; `create` and `delete` are the shares of those two."""
    chance = random.Random(seed)
    keys = disk.living(kind)
    done = []
    for _ in range(count):
        draw = chance.random()
        if not keys:
            break
        position = chance.randrange(len(keys))
        of, id_ = place(keys[position])
        current = disk.record(of, id_) or {}
        if draw < create:
            made = next(objects(of, disk.last(of) + 1, 1, chance.randrange(1 << 30)))
            record, action = disk.create(of, made, "person"), "create"
        elif draw < create + delete:
            record, action = disk.update(of, current, {"deleted": True}, "person"), "delete"
            keys[position] = keys[-1]
            keys.pop()
        else:
            record, action = disk.update(of, current, edit(of, current, chance), "person"), "edit"
        done.append({"kind": of, "id": record["id"], "version": record["version"], "action": action})
    return done


def edit(kind: str, current: Record, chance: random.Random) -> Record:
    """Fields that differ from the current ones."""
    if kind == "products":
        return {"price": price(chance)} if chance.random() < 0.7 else {"name": f"{current.get('name')} *"}
    if kind == "stock":
        return {"quantity": (current.get("quantity") or 0) + chance.randrange(1, 20)}
    if kind == "orders":
        return {"status": chance.choice([one for one in STATUSES if one != current.get("status")])}
    if kind == "customers":
        return {"phone": phone(chance)}
    return {"name": f"{current.get('name')} *"}


def sku(number: int) -> str:
    return f"SKU-{number:07d}"


def money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def price(chance: random.Random) -> str:
    return money(chance.randrange(100, 100_000))


def phone(chance: random.Random) -> str:
    return f"1199{chance.randrange(10_000_000):07d}"


def cpf(number: int) -> str:
    """Valid and invented."""
    digits = f"{number * 7919 % 1_000_000_000:09d}"
    for _ in range(2):
        weighted = sum(int(digit) * weight for digit, weight in zip(digits[::-1], range(2, 12), strict=False))
        digits += str(weighted * 10 % 11 % 10)
    return digits
