"""Invented buyers: names, addresses and documents with valid check digits."""

from sandbox.woocommerce.php import Record

FIRST = ("Ana", "João", "Beatriz", "Caetano", "Débora", "Otávio", "Zuleide", "Ícaro")
LAST = ("da Silva", "Araújo", "Conceição", "D'Ávila", "Pão-de-Ló", "Gonçalves", "Teste")
CITIES = (
    ("São Paulo", "SP", "01310-100", "11", "Bela Vista"),
    ("Rio de Janeiro", "RJ", "20040-002", "21", "Centro"),
    ("Maceió", "AL", "57020-000", "82", "Centro"),
    ("Brasília", "DF", "70390-010", "61", "Asa Sul"),
    ("Curitiba", "PR", "80010-000", "41", "Centro"),
)
STREETS = ("Avenida Modelo", "Rua Inventada", "Ladeira do Teste")


def cpf(number: int) -> str:
    digits = [int(char) for char in f"{100_000_000 + number % 900_000_000:09d}"]
    for count in (10, 11):
        total = sum(d * w for d, w in zip(digits, range(count, 1, -1), strict=True))
        digits.append(total * 10 % 11 % 10)
    text = "".join(map(str, digits))
    return f"{text[:3]}.{text[3:6]}.{text[6:9]}-{text[9:]}"


def cnpj(number: int) -> str:
    digits = [int(char) for char in f"{10_000_000 + number % 90_000_000:08d}0001"]
    for _ in range(2):
        weights = [2 + place % 8 for place in range(len(digits))][::-1]
        rest = sum(d * w for d, w in zip(digits, weights, strict=True)) % 11
        digits.append(0 if rest < 2 else 11 - rest)
    text = "".join(map(str, digits))
    return f"{text[:2]}.{text[2:5]}.{text[5:8]}/{text[8:12]}-{text[12:]}"


def is_company(number: int) -> bool:
    return number % 5 == 0


def email(number: int) -> str:
    return f"cliente{number}@cliente.exemplo.test"


def billing(number: int) -> Record:
    city, state, postcode, area, _ = CITIES[number % len(CITIES)]
    return {
        "first_name": FIRST[number % len(FIRST)],
        "last_name": f"{LAST[number % len(LAST)]} {number}",
        "company": f"Comércio Fictício {number} Ltda." if is_company(number) else "",
        "address_1": f"{STREETS[number % len(STREETS)]}, {number % 900 + 10}",
        "address_2": f"Apto {number % 99}" if number % 3 else "",
        "city": city,
        "postcode": postcode,
        "country": "BR",
        "state": state,
        "email": email(number),
        "phone": f"({area}) 9{number % 10_000:04d}-{number % 9973:04d}",
    }


def shipping(number: int) -> Record:
    person = billing(number)
    del person["email"]
    return person


def brazilian(number: int, prefix: str, first_id: int) -> list[Record]:
    """The fields of "Brazilian Market on WooCommerce", as that plugin keeps them in `meta_data`."""
    person = billing(number)
    company = is_company(number)
    pairs = {
        "persontype": "2" if company else "1",
        "number": str(number % 900 + 10),
        "neighborhood": CITIES[number % len(CITIES)][4],
        "cellphone": person["phone"],
        "cnpj" if company else "cpf": cnpj(number) if company else cpf(number),
    }
    if company:
        pairs["ie"] = "ISENTO"
    return [
        {"id": first_id + place, "key": prefix + key, "value": value}
        for place, (key, value) in enumerate(pairs.items())
    ]
