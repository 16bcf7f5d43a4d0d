"""What comes in and what goes out: requests, answers, refusals."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from sandbox.woocommerce.php import Record, encode

CRASH = (
    "<p>There has been a critical error on this website.</p><p><a href="
    '"https://wordpress.org/documentation/article/faq-troubleshooting/">'
    "Learn more about troubleshooting WordPress.</a></p>"
)
Pairs = Sequence[tuple[str, str]]


@dataclass(slots=True)
class Request:
    """`path` is what follows /wp-json/wc/v3; `url` is the address without the query."""

    method: str
    path: str
    url: str
    secure: bool
    pairs: Pairs = ()
    authorization: str = ""
    content_type: str = ""
    raw_body: bytes = b""
    body: Any = None
    query: dict[str, str | list[str]] = field(default_factory=dict)

    def one(self, name: str) -> str | None:
        value = self.query.get(name)
        return value[-1] if isinstance(value, list) else value

    def many(self, name: str) -> list[str] | None:
        """A list parameter: `a,b`, `name[]=a&name[]=b` or `name[0]=a`; None where it is not sent."""
        value = self.query.get(name)
        if value is None:
            return None
        return (
            value if isinstance(value, list) else [part.strip() for part in value.split(",") if part.strip()]
        )

    def yes(self, name: str) -> bool:
        return (self.one(name) or "").lower() in {"1", "true"}


def parsed(query: str) -> tuple[Pairs, dict[str, str | list[str]]]:
    """The parameters as sent, and as PHP sees them: the last of a name counts, brackets make a list."""
    pairs = parse_qsl(query, keep_blank_values=True)
    seen: dict[str, str | list[str]] = {}
    for name, value in pairs:
        plain, bracket, _ = name.partition("[")
        if bracket:
            known = seen.setdefault(plain, [])
            if isinstance(known, list):
                known.append(value)
        else:
            seen[name] = value
    return pairs, seen


@dataclass(slots=True)
class Answer:
    status: int
    body: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    # Methods of the route for the Allow header, empty where the caller may not know.
    allow: str = ""


class RefusedError(Exception):
    """An answer with a code and a message; `data` joins the status."""

    def __init__(self, status: int, code: str, message: str, **data: Any) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.data: Record = {"status": status, **data}
        self.more: Record = {}

    def record(self) -> Record:
        return {"code": self.code, "message": self.message, "data": self.data, **self.more}

    def answer(self) -> Answer:
        return Answer(self.status, encode(self.record()))


def no_route() -> RefusedError:
    return RefusedError(404, "rest_no_route", "No route was found matching the URL and request method.")


def crash() -> RefusedError:
    """What PHP says when it gave up."""
    refusal = RefusedError(500, "internal_server_error", CRASH)
    refusal.more = {"additional_errors": []}
    return refusal


@dataclass(slots=True)
class Complaints:
    """Parameters that do not fit, all told at once as WordPress tells them."""

    params: dict[str, str] = field(default_factory=dict)
    details: dict[str, Record] = field(default_factory=dict)

    def add(self, name: str, code: str, message: str, data: Record | None = None) -> None:
        self.params.setdefault(name, message)
        self.details.setdefault(name, {"code": code, "message": message, "data": data})

    def type(self, name: str, wanted: str, shown: str | None = None) -> None:
        message = f"{shown or name} is not of type {wanted}."
        self.add(name, "rest_invalid_type", message, {"param": shown or name})

    def enum(self, name: str, allowed: Sequence[str], shown: str | None = None) -> None:
        words = " and ".join(allowed) if len(allowed) < 3 else f"{', '.join(allowed[:-1])}, and {allowed[-1]}"
        self.add(name, "rest_not_in_enum", f"{shown or name} is not one of {words}.")

    def refuse(self) -> None:
        """Raises RefusedError where there is anything to say."""
        if self.params:
            message = f"Invalid parameter(s): {', '.join(self.params)}"
            raise RefusedError(400, "rest_invalid_param", message, params=self.params, details=self.details)
