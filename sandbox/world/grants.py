"""OAuth 2 refresh tokens that work once (RFC 6749 section 6, RFC 9700 section 4.14)."""

import secrets
import time
from typing import Any

from sandbox.world.disk import Disk

Granted = dict[str, Any]


class GrantError(Exception):
    """`status` and the `error` of RFC 6749 section 5.2."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status, self.error = status, error


class Grants:
    """`counts`: refreshed, invalid_grant, replayed (a spent token was shown), revoked families."""

    def __init__(self, disk: Disk) -> None:
        self._disk, self._db = disk, disk.db
        self.client_id = self._secret("client_id", 8)
        self.client_secret = self._secret("client_secret", 24)
        self.counts: dict[str, int] = disk.setting("grant_counts", {})

    def consent(self) -> Granted:
        """A new family, as after a person has agreed."""
        return self._issue(secrets.token_hex(8))

    def live(self, token: str) -> bool:
        query = "SELECT expires FROM grant_token WHERE token = ? AND use = 'access'"
        found = self._db.execute(query, (token,)).fetchone()
        return found is not None and time.time() < found[0]

    def expire(self) -> None:
        """All access tokens end now."""
        self._write("DELETE FROM grant_token WHERE use = 'access'")

    def revoke(self) -> None:
        """All tokens end now, as after a person has withdrawn."""
        self._write("DELETE FROM grant_token")

    def refresh(self, form: dict[str, str]) -> Granted:
        """Raises GrantError."""
        shown = (form.get("client_id", ""), form.get("client_secret", ""))
        known = (self.client_id, self.client_secret)
        if not all(secrets.compare_digest(a.encode(), b.encode()) for a, b in zip(shown, known, strict=True)):
            raise GrantError(401, "invalid_client")
        if form.get("grant_type") != "refresh_token":
            raise GrantError(400, "unsupported_grant_type")
        query = "SELECT family, spent FROM grant_token WHERE token = ? AND use = 'refresh'"
        found = self._db.execute(query, (form.get("refresh_token", ""),)).fetchone()
        if found is None:
            self._count("invalid_grant")
            raise GrantError(400, "invalid_grant")
        family, spent = found
        if spent:
            self._replayed(family)
            raise GrantError(400, "invalid_grant")
        self._disk.begin()
        self._db.execute("UPDATE grant_token SET spent = 1 WHERE token = ?", (form["refresh_token"],))
        granted = self._issue(family)
        self._count("refreshed")
        return granted

    def _issue(self, family: str) -> Granted:
        access, refresh = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        seconds = self._disk.switches.access_seconds
        self._disk.begin()
        query = "INSERT INTO grant_token (token, use, family, expires) VALUES (?, ?, ?, ?)"
        self._db.execute(query, (access, "access", family, time.time() + seconds))
        self._db.execute(query, (refresh, "refresh", family, None))
        self._disk.commit()
        return {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": int(seconds),
            "refresh_token": refresh,
        }

    def _replayed(self, family: str) -> None:
        self._count("invalid_grant")
        self._count("replayed")
        if self._disk.switches.revoke_family:
            self._count("revoked")
            self._write("DELETE FROM grant_token WHERE family = ?", family)

    def _write(self, query: str, *values: str) -> None:
        self._disk.begin()
        self._db.execute(query, values)
        self._disk.commit()

    def _count(self, name: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1
        self._disk.set("grant_counts", self.counts)

    def _secret(self, name: str, size: int) -> str:
        found: str = self._disk.setting(name, "") or secrets.token_urlsafe(size)
        self._disk.set(name, found)
        return found
