"""Documents, amounts, hashes, paging and the address guard."""

from decimal import Decimal

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import brazil
from core.address import Guard
from core.errors import AddressRefused, ContractError, TransientError
from core.hashing import canonical, money, quantity, record_hash
from core.paging import OffsetById
from core.records import Product
from core.redaction import MASK, Redactor, redact
from core.spec import Answer

CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
PAGES = OffsetById(size=100, total_header="x-wp-total")


def check_digits(characters: str, weights: tuple[tuple[int, ...], tuple[int, ...]]) -> str:
    for row in weights:
        rest = sum((ord(c) - 48) * w for c, w in zip(characters, row, strict=True)) % 11
        characters += "0" if rest < 2 else str(11 - rest)
    return characters


CNPJ_WEIGHTS = ((5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2), (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2))
CPF_WEIGHTS = (tuple(range(10, 1, -1)), tuple(range(11, 1, -1)))


@given(st.text(CHARACTERS, min_size=12, max_size=12).filter(lambda text: len(set(text)) > 1))
def test_every_cnpj_with_right_digits_is_accepted(base: str) -> None:
    text = check_digits(base, CNPJ_WEIGHTS)
    dressed = f"{text[:2]}.{text[2:5]}.{text[5:8]}/{text[8:12]}-{text[12:]}"
    assert brazil.cnpj(dressed) == brazil.document(dressed.lower()) == text
    with pytest.raises(ValueError, match="CNPJ inválido"):
        brazil.cnpj(text[:13] + str((int(text[13]) + 1) % 10))


@given(st.text("0123456789", min_size=9, max_size=9).filter(lambda text: len(set(text)) > 1))
def test_every_cpf_with_right_digits_is_accepted(base: str) -> None:
    text = check_digits(base, CPF_WEIGHTS)
    assert brazil.cpf(f"{text[:3]}.{text[3:6]}.{text[6:9]}-{text[9:]}") == text
    with pytest.raises(ValueError, match="CPF inválido"):
        brazil.cpf(text[:10] + str((int(text[10]) + 1) % 10))


@pytest.mark.parametrize("text", ["", "111.111.111-11", "123", "11.111.111/1111-11", "abc"])
def test_other_documents_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="inválido"):
        brazil.document(text)


@given(st.decimals(-99999, 99999, places=4))
def test_equal_amounts_are_written_alike(value: Decimal) -> None:
    for read in (money, quantity):
        assert str(read(str(value))) == str(read(value)) == str(read(f"{value}0000"))
        assert read(str(value)) == value


@pytest.mark.parametrize("text", ["", "abc", "1.234,56", "NaN", "Infinity", "1e40", "--1"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"número|intervalo"):
        money(text)


@given(st.text(), st.text(), st.integers(1, 9))
def test_the_hash_tells_records_and_versions_apart(name: str, other: str, version: int) -> None:
    first, second = (canonical(Product(external_id="1", sku="A", name=text)) for text in (name, other))
    assert (record_hash(first, version) == record_hash(second, version)) == (name == other)
    assert record_hash(first, version) != record_hash(first, version + 1)


def answer(ids: list[int], total: int) -> Answer:
    return Answer([{"id": id_} for id_ in ids], httpx.Headers({"x-wp-total": str(total)}))


@given(st.integers(0, 450), st.sets(st.integers(0, 449)), st.integers(0, 5))
def test_paging_reads_what_stays_whatever_is_removed(size: int, removed: set[int], moment: int) -> None:
    world = list(range(1, size + 1))
    gone = {id_ + 1 for id_ in removed}
    seen: list[int] = []
    place: str | None = None
    for step_number in range(200):
        if step_number == moment:
            world = [id_ for id_ in world if id_ not in gone]
        offset = int(PAGES.params(place)["offset"])
        step = PAGES.step(place, answer(world[offset : offset + 100], len(world)))
        seen += [item["id"] for item in step.items]
        place = step.next
        if place is None:
            break
    assert place is None
    assert len(seen) == len(set(seen))
    assert set(world) <= set(seen)


def test_a_short_page_before_the_end_is_not_the_end() -> None:
    with pytest.raises(TransientError):
        PAGES.step(None, answer([1, 2], 300))
    with pytest.raises(ContractError):
        PAGES.step(None, Answer({"code": "x"}, httpx.Headers()))


HOSTILE = [
    "http://loja.example/",
    "https://127.0.0.1/",
    "https://localhost/",
    "https://10.1.2.3/",
    "https://192.168.0.1/",
    "https://172.16.0.9/",
    "https://169.254.169.254/latest/meta-data",
    "https://100.64.0.1/",
    "https://0.0.0.0/",
    "https://[::1]/",
    "https://[::ffff:10.0.0.1]/",
    "https://[64:ff9b::a00:1]/",
    "https://[2002:a00:1::]/",
    "https://[fd00:ec2::254]/",
    "https://2130706433/",
    "https://0177.0.0.1/",
    "https://0x7f000001/",
    "https://127.1/",
    "https://metadata.google.internal/",
    "https://user:pass@loja.example/",
    "https://loja.example:22/",
    "https://loja.example:6379/",
    "ftp://loja.example/",
    "file:///etc/passwd",
    "https:///caminho",
    "https://loja.example\\@127.0.0.1/",
    "https://loja .example/",
    "https://servidor.local/",
    "https://loja.example:99999/",
]


async def reach(guard: Guard, url: str) -> list[str]:
    guard.check_url(url)
    parts = httpx.URL(url)
    return await guard.resolve(parts.host, parts.port or 443)


@pytest.mark.parametrize("url", HOSTILE)
async def test_hostile_addresses_are_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        await reach(Guard(), url)


async def test_the_operator_can_allow_a_private_host() -> None:
    guard = Guard(private=frozenset({"127.0.0.1:8080", "10.0.0.0/8"}))
    guard.check_url("http://127.0.0.1:8080/loja")
    assert await guard.resolve("10.9.9.9", 5000) == ["10.9.9.9"]
    with pytest.raises(AddressRefused):
        await guard.resolve("127.0.0.1", 8443)


def test_secrets_vanish_in_every_form() -> None:
    redactor = Redactor(["cs_segredo+1", "ck_chave_9"])
    text = "a cs_segredo+1 b cs_segredo%2B1 c " + httpx.BasicAuth("ck_chave_9", "cs_segredo+1")._auth_header
    clean = redactor(text)
    assert "segredo" not in clean
    assert "Y2tf" not in clean
    assert redact({"a": {"Consumer_Key": "x", "cpf": "1", "nome": "y"}, "u": "/p?token=abc&x=1"}) == {
        "a": {"Consumer_Key": MASK, "cpf": MASK, "nome": "y"},
        "u": f"/p?token={MASK}&x=1",
    }
