"""What can be imported: for each entity its fields, how their cells are read, and their usual titles.

Titles are in the form of `cells.plain`: no accents, no punctuation, lower case.
"""

from dataclasses import dataclass

from core.entities import Entity
from providers.legacy import cells
from providers.legacy.cells import Parser


@dataclass(frozen=True, slots=True)
class Field:
    """`label` is what an admin reads and types in `--map`; `titles` are column titles that mean it."""

    name: str
    label: str
    parse: Parser
    titles: tuple[str, ...]
    required: bool = False


def _split(titles: str) -> tuple[str, ...]:
    return tuple(title.strip() for title in titles.split(","))


def _field(name: str, label: str, parse: Parser, titles: str, *, required: bool = False) -> Field:
    return Field(name, label, parse, (cells.plain(label), *_split(titles)), required)


_SKU = _field(
    *("sku", "SKU", cells.code),
    "codigo, cod, cod produto, codigo produto, codigo do produto, codprod, cd produto, referencia, ref,"
    " id produto",
    required=True,
)
_ADDRESS = (
    _field("postal_code", "CEP", cells.postal_code, "cod postal, codigo postal"),
    _field("street", "Endereço", cells.text, "logradouro, rua, endereco principal"),
    _field("number", "Número", cells.text, "num, nro, n, num endereco, numero endereco"),
    _field("complement", "Complemento", cells.text, "compl"),
    _field("district", "Bairro", cells.text, "distrito"),
    _field("city", "Cidade", cells.text, "municipio"),
    _field("state", "UF", cells.state, "estado, sigla uf"),
)

FIELDS: dict[Entity, tuple[Field, ...]] = {
    Entity.PRODUCTS: (
        _SKU,
        _field(
            "name",
            "Nome",
            cells.text,
            "descricao, produto, nome produto, nome do produto, descricao produto, denominacao",
            required=True,
        ),
        _field(
            "description",
            "Descrição longa",
            cells.text,
            "descricao completa, descricao detalhada, detalhes, observacao, complemento",
        ),
        _field(
            "price",
            "Preço",
            cells.money,
            "preco venda, preco de venda, vlr venda, valor venda, valor unitario,"
            " preco unitario, vl venda, preco1, valor",
        ),
        _field(
            "sale_price", "Preço promocional", cells.money, "promocao, preco promocao, preco oferta, oferta"
        ),
        _field(
            "gtin", "EAN", cells.gtin, "gtin, cod barras, codigo barras, codigo de barras, ean13, cod barra"
        ),
        _field("active", "Ativo", cells.boolean, "situacao, status, ativo inativo, sit"),
        _field("weight_kg", "Peso (kg)", cells.quantity, "peso, peso bruto, peso liquido, peso bruto kg"),
        _field("length_cm", "Comprimento (cm)", cells.quantity, "comprimento, profundidade"),
        _field("width_cm", "Largura (cm)", cells.quantity, "largura"),
        _field("height_cm", "Altura (cm)", cells.quantity, "altura"),
        _field("category", "Categoria", cells.text, "grupo, familia, departamento, secao, nome grupo"),
        _field("image_url", "Imagem (URL)", cells.text, "imagem, foto, url imagem, link imagem"),
    ),
    Entity.CATEGORIES: (
        _field(
            "name", "Nome", cells.text, "categoria, grupo, familia, descricao, nome categoria", required=True
        ),
        _field("parent", "Categoria pai", cells.text, "pai, grupo pai, categoria superior, superior"),
        _field("description", "Descrição longa", cells.text, "detalhes, observacao"),
    ),
    Entity.CUSTOMERS: (
        _field(
            "name",
            "Nome",
            cells.text,
            "cliente, razao social, nome razao social, nome cliente, nome do cliente,"
            " razao, nome fantasia, nome completo",
            required=True,
        ),
        _field(
            "document",
            "CPF/CNPJ",
            cells.document,
            "cpf, cnpj, cpf cnpj, cnpj cpf, cgc, cgc cpf, documento, cpfcnpj",
        ),
        _field(
            "code",
            "Código",
            cells.code,
            "cod, cod cliente, codigo cliente, codigo do cliente, id, id cliente, codcli",
        ),
        _field(
            "state_registration", "Inscrição estadual", cells.code, "ie, insc estadual, inscr estadual, rg ie"
        ),
        _field("email", "E-mail", cells.email, "email, e mail, correio eletronico, email nfe"),
        _field("phone", "Telefone", cells.code, "fone, celular, tel, telefone 1, whatsapp, contato"),
        *_ADDRESS,
    ),
    Entity.STOCK: (
        _SKU,
        _field(
            "on_hand",
            "Quantidade",
            cells.quantity,
            "saldo, estoque, qtd, qtde, quantidade estoque, disponivel,"
            " saldo atual, estoque atual, qtd estoque",
            required=True,
        ),
    ),
    Entity.ORDERS: (
        _field(
            "number",
            "Número",
            cells.code,
            "pedido, no pedido, n pedido, num pedido, numero pedido, numero do pedido, nr pedido",
            required=True,
        ),
        _field(
            "placed_at",
            "Data",
            cells.moment,
            "emissao, data emissao, data pedido, data do pedido, dt emissao, dt pedido",
            required=True,
        ),
        _field(
            "customer",
            "CPF/CNPJ do cliente",
            cells.document,
            "cpf, cnpj, cpf cnpj, cgc, documento, cpf cnpj cliente",
        ),
        _field("customer_name", "Cliente", cells.text, "nome cliente, razao social, nome, comprador"),
        _SKU,
        _field("item_name", "Produto", cells.text, "descricao, descricao produto, nome produto"),
        _field("quantity", "Quantidade", cells.quantity, "qtd, qtde, quant", required=True),
        _field(
            "unit_price",
            "Valor unitário",
            cells.money,
            "preco, preco unitario, valor unit, vlr unit, vl unitario, unitario",
            required=True,
        ),
        _field("discount", "Desconto do item", cells.money, "desconto, vlr desconto"),
        _field("shipping", "Frete", cells.money, "valor frete, vlr frete"),
        _field("status", "Situação", cells.text, "status, situacao pedido"),
        _field("note", "Observação", cells.text, "obs, observacoes"),
    ),
    Entity.RECEIVABLES: (
        _field(
            "number",
            "Documento",
            cells.code,
            "duplicata, titulo, numero, no documento, num documento,"
            " numero documento, no titulo, numero titulo, nro titulo",
            required=True,
        ),
        _field("instalment", "Parcela", cells.code, "parc, no parcela, seq"),
        _field(
            "amount",
            "Valor",
            cells.money,
            "valor original, valor titulo, vlr titulo, saldo, valor aberto, valor em aberto",
            required=True,
        ),
        _field(
            "due_on",
            "Vencimento",
            cells.day,
            "venc, data vencimento, dt vencimento, dt venc, vence em",
            required=True,
        ),
        _field("payer_name", "Cliente", cells.text, "sacado, pagador, nome, nome cliente, razao social"),
        _field(
            "payer_document",
            "CPF/CNPJ",
            cells.document,
            "cpf, cnpj, cgc, cpf cnpj, documento cliente, cpf cnpj cliente",
        ),
        _field("our_number", "Nosso número", cells.code, "nosso num, nosso nro"),
        _field(
            "paid_at", "Pago em", cells.moment, "data pagamento, dt pagamento, pagamento, baixa, data baixa"
        ),
        _field("paid_amount", "Valor pago", cells.money, "vlr pago, valor recebido"),
        _field("description", "Descrição", cells.text, "historico, observacao, obs"),
    ),
}


def field_named(entity: Entity, typed: str) -> Field | None:
    """By name or label, as typed."""
    wanted = cells.plain(typed)
    return next((f for f in FIELDS[entity] if wanted in (cells.plain(f.name), cells.plain(f.label))), None)
