"""Prefect's REST API, as far as we use it: https://docs.prefect.io/v3/api-ref/rest-api.

Over httpx, because importing Prefect costs every process 2 s and 90 MB. Answers are JSON as Prefect gives it.
"""

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import httpx

from core.errors import Advice, ConfigurationError, Fault, InstallationError, TransientError

Json = dict[str, Any]
PAGE = 200
REPEATABLE = ("/filter", "/count", "/set_state")
"""POST routes that may be sent twice."""
TAG = "cloudtosys"
"""Carried by every deployment that stands for a pair, and by its runs."""


class PrefectUnavailable(TransientError):
    """The Prefect API does not answer, or answers with a server error."""

    fault = Fault.OURS
    advice = Advice(
        "Prefect indisponível",
        "O servidor Prefect não respondeu.",
        "Verifique se o servidor Prefect está no ar; as execuções pendentes seguem quando ele voltar.",
    )


class PrefectRefused(ConfigurationError):
    """Prefect answered with a 4xx; `status` says which."""


class Api:
    """An open connection to Prefect's API. Every method raises `PrefectUnavailable` and `PrefectRefused`."""

    def __init__(self, url: str, auth: str = "", timeout: float = 15.0) -> None:
        user, _, password = auth.partition(":")
        self._http = httpx.AsyncClient(
            base_url=url,
            auth=(user, password) if auth else None,
            timeout=timeout,
            trust_env=False,
            limits=httpx.Limits(max_connections=8, max_keepalive_connections=8, keepalive_expiry=3),
        )

    @classmethod
    def from_environment(cls) -> Self:
        """Raises `InstallationError` when PREFECT_API_URL is missing."""
        url = os.environ.get("PREFECT_API_URL", "")
        if not url:
            raise InstallationError("PREFECT_API_URL não está definida: inicie tudo com `cloudtosys up`.")
        return cls(url, os.environ.get("PREFECT_API_AUTH_STRING", ""))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        try:
            response = await self._send(method, path, body)
        except httpx.HTTPError as error:
            raise PrefectUnavailable(f"O Prefect não respondeu ({type(error).__name__}).") from None
        if response.status_code >= 500 or response.status_code == 429:
            raise PrefectUnavailable(
                f"O Prefect respondeu {response.status_code}.", status=response.status_code
            )
        if response.status_code >= 400:
            raise PrefectRefused(
                f"O Prefect recusou {method} ({response.status_code}).", status=response.status_code
            )
        return response.json() if response.content else None

    async def _send(self, method: str, path: str, body: Any) -> httpx.Response:
        """Once more where a kept connection turns out closed, as after a server error, and that is safe."""
        try:
            return await self._http.request(method, path, json=body)
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
            if method == "POST" and not path.endswith(REPEATABLE):
                raise
            return await self._http.request(method, path, json=body)

    async def find(self, path: str, body: Json, limit: int = 10_000) -> AsyncIterator[Json]:
        """Everything that a `/filter` route answers, page after page, up to `limit` rows."""
        for offset in range(0, limit, PAGE):
            page = await self.call("POST", path, {**body, "limit": PAGE, "offset": offset})
            for row in page:
                yield row
            if len(page) < PAGE:
                return

    async def flow_id(self, name: str) -> str:
        """The id of a flow, registered when it is new."""
        return str((await self.call("POST", "/flows/", {"name": name}))["id"])

    async def ensure_pool(self, name: str, kind: str) -> None:
        try:
            await self.call("GET", f"/work_pools/{name}")
        except PrefectRefused as error:
            if error.status != 404:
                raise
            try:
                await self.call("POST", "/work_pools/", {"name": name, "type": kind})
            except PrefectRefused as raced:
                if raced.status != 409:
                    raise

    async def read_run(self, flow_run_id: UUID) -> Json | None:
        try:
            run: Json = await self.call("GET", f"/flow_runs/{flow_run_id}")
        except PrefectRefused as error:
            if error.status == 404:
                return None
            raise
        return run

    async def set_state(self, flow_run_id: UUID | str, kind: str, message: str) -> None:
        """Propose a state; Prefect's own rules may refuse it, and a run that is gone is left alone.

        `kind` is a state type such as CRASHED; the name is Prefect's standard one for it.
        """
        state = {"type": kind, "name": kind.capitalize(), "message": message}
        try:
            await self.call("POST", f"/flow_runs/{flow_run_id}/set_state", {"state": state})
        except PrefectRefused as error:
            if error.status != 404:
                raise

    def runs(self, filters: Json, tag: str = TAG) -> AsyncIterator[Json]:
        """Runs that carry a tag, oldest first; `filters` are more fields of Prefect's flow run filter."""
        wanted = {"tags": {"all_": [tag]}, **filters}
        return self.find("/flow_runs/filter", {"flow_runs": wanted, "sort": "EXPECTED_START_TIME_ASC"})


def moment(value: str | None) -> datetime | None:
    """A time as Prefect writes it."""
    return datetime.fromisoformat(value).astimezone(UTC) if value else None


def pair_of(run: Json) -> UUID | None:
    """The pair that a deployment or a run stands for, by its tag."""
    for tag in run.get("tags") or ():
        if tag.startswith("pair:"):
            return UUID(tag.removeprefix("pair:"))
    return None
