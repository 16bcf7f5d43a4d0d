"""What the account holds, and how a call is refused."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

Object = dict[str, Any]
SELLER = 123456789


class RefusedError(Exception):
    """`status` and the error body of the API."""

    def __init__(self, status: int, error: str, message: str = "", cause: str = "") -> None:
        super().__init__(message or error)
        parts = [{"department": "items", "cause_id": 1, "type": "error", "code": cause, "message": message}]
        self.status = status
        self.body = {
            "message": message or error,
            "error": error,
            "status": status,
            "cause": parts if cause else [],
        }


class Store:
    """Records by kind and id; `notifications` are what the change of each would have sent."""

    def __init__(self) -> None:
        self.items: dict[str, Object] = {}
        self.products: dict[str, Object] = {}  # user products: locations and version
        self.orders: dict[str, Object] = {}
        self.bills: dict[str, Object] = {}
        self.shipments: dict[str, Object] = {}
        self.invoices: dict[str, Object] = {}  # by shipment
        self.descriptions: dict[str, str] = {}
        self.stores: list[Object] = []
        self.tags: list[str] = ["normal"]
        self.notifications: list[Object] = []
        self._numbers = count(1_000_000_001)
        self._moment = datetime.now(UTC)

    def number(self) -> int:
        return next(self._numbers)

    def now(self) -> str:
        """Each moment is later than the one before, also within a millisecond."""
        self._moment = max(datetime.now(UTC), self._moment + timedelta(milliseconds=1))
        return self._moment.isoformat(timespec="milliseconds")

    def touch(self, topic: str, resource: str, record: Object) -> None:
        record["last_updated"] = self.now()
        self.notifications.append(
            {
                "_id": f"n-{len(self.notifications) + 1}",
                "resource": resource,
                "user_id": SELLER,
                "topic": topic,
                "application_id": 1234567890123456,
                "attempts": 1,
                "sent": record["last_updated"],
                "received": record["last_updated"],
            }
        )
