"""Brazilian documents against a second, plain reading of the rules."""

import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from core import brazil

ALPHANUMERIC = string.digits + string.ascii_uppercase


def digit(characters: str, heaviest: int) -> str:
    """Modulo 11 with weights 2, 3, … from the right, starting again after `heaviest`."""
    weights = [2 + place % (heaviest - 1) for place in range(len(characters))]
    total = sum((ord(c) - 48) * weight for c, weight in zip(reversed(characters), weights, strict=True))
    return "0" if total % 11 < 2 else str(11 - total % 11)


def cpf_from(base: str) -> str:
    first = base + digit(base, 11)
    return first + digit(first, 11)


def cnpj_from(base: str) -> str:
    first = base + digit(base, 9)
    return first + digit(first, 9)


cpfs = st.text(string.digits, min_size=9, max_size=9).map(cpf_from).filter(lambda text: len(set(text)) > 1)
cnpjs = st.text(ALPHANUMERIC, min_size=12, max_size=12).map(cnpj_from).filter(lambda t: len(set(t)) > 1)
nfe_keys = st.builds(
    lambda head, issuer, tail: head + issuer + tail + digit(head + issuer + tail, 9),
    st.text(string.digits, min_size=6, max_size=6),
    cnpjs,
    st.text(string.digits, min_size=23, max_size=23),
)


# The last one is the example in the text of Receita Federal on the alphanumeric CNPJ.
@pytest.mark.parametrize("text", ["529.982.247-25", "11.222.333/0001-81", "12.ABC.345/01DE-35"])
def test_known_documents(text: str) -> None:
    bare = brazil.document(text)
    assert bare == "".join(filter(str.isalnum, text))
    assert brazil.person_type(bare) == ("F" if len(bare) == 11 else "J")


@given(cpfs)
def test_a_cpf_in_any_notation(text: str) -> None:
    for form in (text, f"{text[:3]}.{text[3:6]}.{text[6:9]}-{text[9:]}", f" {text}\n", f"\u00a0{text}"):
        assert brazil.cpf(form) == brazil.document(form) == text


@given(cnpjs)
def test_a_cnpj_in_any_notation(text: str) -> None:
    dressed = f"{text[:2]}.{text[2:5]}.{text[5:8]}/{text[8:12]}-{text[12:]}"
    for form in (text, dressed, dressed.lower()):
        assert brazil.cnpj(form) == brazil.document(form) == text


@given(nfe_keys)
def test_an_nfe_key_in_any_notation(text: str) -> None:
    spaced = " ".join(text[i : i + 4] for i in range(0, 44, 4))
    assert brazil.nfe_key(text) == brazil.nfe_key(spaced) == brazil.nfe_key(text.lower()) == text


@given(cpfs, st.integers(0, 10), st.sampled_from(string.digits))
def test_a_changed_cpf_is_another_valid_one_or_refused(text: str, place: int, other: str) -> None:
    assume(text[place] != other)
    changed = text[:place] + other + text[place + 1 :]
    if cpf_from(changed[:9]) == changed and len(set(changed)) > 1:
        assert brazil.cpf(changed) == changed
    else:
        with pytest.raises(ValueError, match="CPF inválido"):
            brazil.cpf(changed)


@given(cnpjs, st.integers(0, 13), st.sampled_from(ALPHANUMERIC))
def test_a_changed_cnpj_is_another_valid_one_or_refused(text: str, place: int, other: str) -> None:
    assume(text[place] != other)
    changed = text[:place] + other + text[place + 1 :]
    if cnpj_from(changed[:12]) == changed and len(set(changed)) > 1:
        assert brazil.cnpj(changed) == changed
    else:
        with pytest.raises(ValueError, match="CNPJ inválido"):
            brazil.cnpj(changed)


@given(nfe_keys, st.integers(0, 43), st.sampled_from(string.digits))
def test_a_changed_nfe_key_is_another_valid_one_or_refused(text: str, place: int, other: str) -> None:
    assume(text[place] != other)
    changed = text[:place] + other + text[place + 1 :]
    if digit(changed[:43], 9) == changed[43]:
        assert brazil.nfe_key(changed) == changed
    else:
        with pytest.raises(ValueError, match="Chave de acesso inválida"):
            brazil.nfe_key(changed)


@pytest.mark.parametrize("number", string.digits)
def test_repeated_digits_are_refused(number: str) -> None:
    for check, size in ((brazil.cpf, 11), (brazil.cnpj, 14), (brazil.nfe_key, 44)):
        with pytest.raises(ValueError, match="inválid"):
            check(number * size)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "abc",
        "123",
        "5299822472",
        "529982247255",
        "52998224७25",
        "１１222333000181",
        "11.222.333/0001-8X",
    ],
)
def test_what_is_no_document_is_refused(text: str) -> None:
    for check in (brazil.cpf, brazil.cnpj, brazil.document, brazil.nfe_key):
        with pytest.raises(ValueError, match="inválid"):
            check(text)


@pytest.mark.parametrize("letter", ["ß", "ı", "ſ"])
def test_letters_that_become_ascii_when_raised_are_refused(letter: str) -> None:
    text = cnpj_from(("12ABC34501" + letter.upper()).ljust(12, "0"))
    assert letter.upper() in brazil.cnpj(text)
    with pytest.raises(ValueError, match="CNPJ inválido"):
        brazil.cnpj(text.replace(letter.upper(), letter))


def test_cep() -> None:
    assert brazil.cep("01310-100") == brazil.cep(" 01310100 ") == "01310100"
    for text in ("", "0131010", "013101000", "0131O-100"):
        with pytest.raises(ValueError, match="CEP inválido"):
            brazil.cep(text)


@given(st.text(max_size=60))
def test_any_text_is_accepted_or_refused_with_a_reason(text: str) -> None:
    for check in (brazil.cpf, brazil.cnpj, brazil.document, brazil.cep, brazil.nfe_key):
        try:
            assert check(text).isascii()
        except ValueError as error:
            assert "inválid" in str(error)  # noqa: PT017
