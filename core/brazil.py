"""Brazilian documents: CPF, CNPJ (numeric and alphanumeric), CEP and the NF-e access key, kept as text.

Each function takes any usual notation and gives the bare characters, or raises `ValueError` with a reason
in Portuguese. Alphanumeric CNPJ: Instrução Normativa RFB 2.229/2024; a character counts as its ASCII code
less 48.
"""

import re
from collections.abc import Sequence
from operator import mul

_PUNCTUATION = str.maketrans("", "", " .-/\t\r\n\u00a0")
_VALUES = bytes((code - 48) % 256 for code in range(256))
_CPF = re.compile(r"[0-9]{11}")
# Letters are matched before they are raised: "ß".upper() is "SS".
_CNPJ = re.compile(r"[0-9A-Za-z]{12}[0-9]{2}")
_CEP = re.compile(r"[0-9]{8}")
_NFE_KEY = re.compile(r"[0-9]{6}[0-9A-Za-z]{12}[0-9]{26}")

_CPF_1 = range(10, 1, -1)
_CPF_2 = range(11, 1, -1)
_CNPJ_1 = (5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)
_CNPJ_2 = (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)
_NFE_WEIGHTS = (4, 3, 2, 9, 8, 7, 6, 5) * 5 + (4, 3, 2)


def cpf(text: str) -> str:
    digits = text.translate(_PUNCTUATION)
    if not _CPF.fullmatch(digits) or digits == digits[0] * 11:
        raise ValueError("CPF inválido: são 11 dígitos, não todos iguais.")
    if digits[9:] != _digit(digits, _CPF_1) + _digit(digits, _CPF_2):
        raise ValueError("CPF inválido: os dígitos verificadores não conferem.")
    return digits


def cnpj(text: str) -> str:
    characters = text.translate(_PUNCTUATION)
    if not _CNPJ.fullmatch(characters) or characters == characters[0] * 14:
        raise ValueError(
            "CNPJ inválido: são 12 letras ou dígitos, não todos iguais, e 2 dígitos verificadores."
        )
    characters = characters.upper()
    if characters[12:] != _digit(characters, _CNPJ_1) + _digit(characters, _CNPJ_2):
        raise ValueError("CNPJ inválido: os dígitos verificadores não conferem.")
    return characters


def document(text: str) -> str:
    """A CPF or a CNPJ, told apart by length."""
    characters = text.translate(_PUNCTUATION)
    if len(characters) == 11:
        return cpf(characters)
    if len(characters) == 14:
        return cnpj(characters)
    raise ValueError("CPF/CNPJ inválido: um CPF tem 11 dígitos e um CNPJ 14 caracteres.")


def person_type(valid_document: str) -> str:
    """ "F" (pessoa física) for a CPF, "J" (pessoa jurídica) for a CNPJ."""
    return "F" if len(valid_document) == 11 else "J"


def cep(text: str) -> str:
    digits = text.translate(_PUNCTUATION)
    if not _CEP.fullmatch(digits):
        raise ValueError("CEP inválido: são 8 dígitos.")
    return digits


def nfe_key(text: str) -> str:
    """Access key of an NF-e: 44 characters, the last one modulo 11 of the others (MOC, NF-e 4.00)."""
    key = text.translate(_PUNCTUATION)
    if not _NFE_KEY.fullmatch(key) or key == key[0] * 44:
        raise ValueError("Chave de acesso inválida: são 44 caracteres.")
    key = key.upper()
    if key[43] != _digit(key, _NFE_WEIGHTS):
        raise ValueError("Chave de acesso inválida: o dígito verificador não confere.")
    return key


def _digit(characters: str, weights: Sequence[int]) -> str:
    """Modulo 11 over as many characters as there are weights."""
    rest = sum(map(mul, characters.encode().translate(_VALUES), weights)) % 11
    return "0" if rest < 2 else str(11 - rest)
