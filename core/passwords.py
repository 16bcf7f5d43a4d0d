"""Passwords of people: argon2id with the parameters of RFC 9106's second recommendation.

https://www.rfc-editor.org/rfc/rfc9106#section-4
"""

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from core.errors import Advice, ConfigurationError

SHORTEST = 12
LONGEST = 256
_HASHER = PasswordHasher()
_NOBODY = _HASHER.hash("nobody has this password")


class WeakPassword(ConfigurationError):
    advice = Advice(
        "Senha fraca",
        "A senha é curta demais ou fácil de adivinhar.",
        f"Use uma frase de {SHORTEST} caracteres ou mais, que não tenha seu nome nem seu e-mail.",
    )


def seal(password: str, *about: str) -> str:
    """The hash to keep. Raises `WeakPassword`; `about` are words that it must not be made of."""
    plain = password.casefold()
    if not SHORTEST <= len(password) <= LONGEST or len(set(plain)) < 5:
        raise WeakPassword(f"A senha deve ter de {SHORTEST} a {LONGEST} caracteres, e não só repetidos.")
    if any(len(word) > 3 and word.casefold() in plain for word in about):
        raise WeakPassword("A senha não pode conter seu nome nem seu e-mail.")
    return _HASHER.hash(password)


def verify(password: str, sealed: str | None) -> bool:
    """Whether it is the password. Without a hash it takes as long, and is not."""
    try:
        return _HASHER.verify(sealed or _NOBODY, password[:LONGEST]) and sealed is not None
    except (VerificationError, InvalidHashError):
        return False
