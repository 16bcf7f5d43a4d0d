"""Answers that say no."""

from typing import Any

MESSAGES = {
    "bad_json": "The body is not valid JSON.",
    "unauthorized": "The access token is missing, wrong or no longer valid.",
    "forbidden": "The token has no permission for this kind of object.",
    "not_found": "There is no such object.",
    "method_not_allowed": "The route does not know this method.",
    "duplicate": "Another object has this natural key.",
    "key_reused": "The idempotency key was used with another body.",
    "gone": "The object was deleted.",
    "stale": "The object has another version by now.",
    "too_large": "The body is larger than 1 MiB.",
    "too_many_items": "A batch has at most 100 items.",
    "read_only": "The field is made by the server.",
    "unknown_parameter": "The parameter is not known, or not in this combination.",
    "too_many_requests": "Too many requests.",
    "unavailable": "The system is not available.",
    "internal": "Something broke.",
}


class RefusedError(Exception):
    """`details` go into the body beside code and message."""

    def __init__(self, status: int, code: str, message: str = "", **details: Any) -> None:
        super().__init__(code)
        self.status = status
        self.body = {"code": code, "message": message or MESSAGES[code], **details}


def invalid(field: str, message: str) -> RefusedError:
    return RefusedError(422, "invalid", message, field=field)
