"""An account with something in it. CPFs and CNPJs are invented and valid."""

from sandbox.hubspot.store import Store

DOCUMENTS = ("52998224725", "11144477735", "04252011000110")
PIPELINE = "default"
STAGES = ("stage-open", "stage-paid", "stage-shipped")


def populate(store: Store, contacts: int = 0, products: int = 0, orders: int = 0, deals: int = 0) -> None:
    """Every third contact has a company's name alone; every second deal is won."""
    if contacts and "cpf_cnpj" not in store.properties["contacts"]:
        store.define("contacts", {"name": "cpf_cnpj", "type": "string"})
    for number in range(1, contacts + 1):
        _contact(store, number)
    for number in range(1, products + 1):
        fields = {"name": f"Caneca {number}", "description": "De porcelana", "hs_sku": f"CAN-{number}"}
        store.add("products", {**fields, "price": f"{9 + number}.90"})
    for number in range(1, orders + 1):
        _order(store, number)
    for number in range(1, deals + 1):
        _deal(store, number)


def _contact(store: Store, number: int) -> None:
    name = {"company": f"Loja {number} Ltda"} if number % 3 == 0 else {"firstname": "Ana"}
    last = {} if number % 3 == 0 else {"lastname": f"Teste {number}"}
    store.add(
        "contacts",
        {
            **name,
            **last,
            "email": f"ana{number}@example.com",
            "phone": f"+55 11 9{number:04d}-0000",
            "address": f"Rua das Flores, {number}, Apto 4 - Centro",
            "city": "São Paulo",
            "state": "SP",
            "zip": "01001-000",
            "country": "Brazil",
            **({"cpf_cnpj": DOCUMENTS[number - 1]} if number <= len(DOCUMENTS) else {}),
        },
    )


def _order(store: Store, number: int) -> None:
    order = store.add(
        "orders",
        {
            "hs_order_name": f"#{1000 + number}",
            "hs_external_order_id": str(1000 + number),
            "hs_currency_code": "BRL",
            "hs_total_price": f"{2 * (9 + number) + 2 * 10.5 + 20 - 1:.2f}",
            "hs_order_discount": "1.00",
            "hs_shipping_cost": "20.00",
            "hs_tax": "0.00",
            "hs_external_created_date": "2026-03-02T12:31:06.471Z",
            "hs_pipeline": PIPELINE,
            "hs_pipeline_stage": STAGES[number % len(STAGES)],
            "hs_shipping_address_name": "Ana Teste",
            "hs_shipping_address_street": f"Rua das Flores, {number} - Centro",
            "hs_shipping_address_city": "São Paulo",
            "hs_shipping_address_state": "SP",
            "hs_shipping_address_postal_code": "01001-000",
            "hs_shipping_address_country": "Brasil",
        },
    )
    _lines(store, "orders", order.id, number)


def _deal(store: Store, number: int) -> None:
    deal = store.add(
        "0-3",
        {
            "dealname": f"Venda {number}",
            "amount": f"{2 * (9 + number) + 21:.2f}",
            "closedate": "2026-03-02T12:31:06.471Z",
            "pipeline": PIPELINE,
            "dealstage": "closedwon" if number % 2 == 0 else "appointmentscheduled",
            "deal_currency_code": "BRL",
        },
    )
    _lines(store, "0-3", deal.id, number)


def _lines(store: Store, type_: str, id_: str, number: int) -> None:
    products, people = list(store.living("products")), list(store.living("contacts"))
    for place, price in enumerate((f"{9 + number}.00", "10.50")):
        fields = {"name": f"Item {place}", "price": price, "quantity": "2", "hs_sku": f"AVULSO-{place}"}
        if products and place == 0:
            product = products[number % len(products)]
            fields |= {"hs_product_id": product.id, "hs_sku": product.properties["hs_sku"]}
        line = store.add("line_items", fields)
        store.link("line_items", line.id, type_, id_)
    if people and number % 4:
        store.link(type_, id_, "contacts", people[number % len(people)].id)
