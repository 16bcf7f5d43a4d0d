"""The warm worker: one process with everything imported, each flow run an async run inside it.

A stock `process` worker pays about 5 s of imports for each run; here a run costs its API calls. Polling and
the runs live in two event loops: the runs' own loop is in a second thread, so that a run busy with records
does not delay polling, and so that Prefect's engine leaves the process's signal handlers alone.

This is the one module that leans on Prefect's inner parts (the engine and `BaseWorker`); tests/flows holds
them in place. Nothing is lost when the process is killed: leases end, and the sentinel resumes the runs.
"""

import asyncio
import contextlib
import importlib
import os
import pkgutil
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

import anyio
import anyio.abc
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import Abort, Pause
from prefect.flow_engine import AsyncFlowRunEngine
from prefect.flows import Flow
from prefect.settings import PREFECT_WORKER_QUERY_SECONDS, temporary_settings
from prefect.states import Cancelled, Crashed
from prefect.utilities.callables import get_call_parameters, parameters_to_args_kwargs
from prefect.workers.base import BaseJobConfiguration, BaseVariables, BaseWorker, BaseWorkerResult
from pydantic import PrivateAttr

DEFAULT_LIMIT = 8
POLL_SECONDS = 1.0
CANCEL_POLL_SECONDS = 2.0
STOP_SECONDS = 10.0
CANCELLED, INTERRUPTED = "cancelled", "interrupted"
"""Why a run's task is cancelled; the flow finds the word in its `CancelledError`."""
_MESSAGES = {
    CANCELLED: "Execução cancelada a pedido.",
    INTERRUPTED: "O worker foi desligado; a próxima execução continua de onde esta parou.",
}


@dataclass
class Engine(AsyncFlowRunEngine[Any, Any]):
    """Prefect's engine; `stopped` says that we cancelled the run, and why."""

    stopped: str = ""
    aborted: bool = False

    @property
    def heartbeat_seconds(self) -> int | None:
        """None: the lease is a run's heartbeat, and Prefect's would be a thread for each run."""
        return None

    async def handle_crash(self, exc: BaseException) -> None:
        if not self.stopped:
            await super().handle_crash(exc)
            return
        state: State[Any] = (Cancelled if self.stopped == CANCELLED else Crashed)(
            message=_MESSAGES[self.stopped]
        )
        with anyio.CancelScope(shield=True):
            await self.set_state(state, force=True)
            self._raised = exc  # type: ignore[assignment]

    async def execute(self) -> None:
        """The run, to its end. Whatever the flow raises ends in its state."""
        try:
            async with self.start():
                while self.is_running():
                    async with self.run_context():
                        _ = await self.call_flow_fn()
        except (Abort, Pause):
            self.aborted = True
        except asyncio.CancelledError:
            if not self.stopped:
                raise
        except (SystemExit, KeyboardInterrupt):
            return  # recorded as crashed; raised further it would end the worker


class Lane:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="runs", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._closing:
            # asyncio lets these two out of any task, and with them all runs would end.
            with contextlib.suppress(SystemExit, KeyboardInterrupt):
                self._loop.run_forever()

    def start(self, work: Coroutine[Any, Any, None]) -> tuple[Future[None], Callable[[str], None]]:
        """Begin `work`; returns its end, and how to cancel it with a word."""
        tasks: list[asyncio.Task[None]] = []
        words: list[str] = []

        async def task() -> None:
            tasks.append(asyncio.ensure_future(work))
            if words:
                tasks[0].cancel(words[0])
            await tasks[0]

        def cancel(word: str) -> None:
            words.append(word)
            if tasks:
                tasks[0].cancel(word)

        ended = asyncio.run_coroutine_threadsafe(task(), self._loop)
        return ended, lambda word: _ignore(self._loop.call_soon_threadsafe(cancel, word))

    def close(self) -> None:
        self._closing = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)


def _ignore(_: object) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Active:
    engine: Engine
    ended: Future[None]
    cancel: Callable[[str], None]

    def stop(self, why: str) -> None:
        if not self.engine.stopped:
            self.engine.stopped = why
            self.cancel(why)


class WarmConfiguration(BaseJobConfiguration):
    """Keeps the entrypoint of the deployment that the worker has read anyway."""

    _entrypoint: str = PrivateAttr(default="")

    @property
    def entrypoint(self) -> str:
        return self._entrypoint

    def prepare_for_flow_run(
        self, flow_run: FlowRun, deployment: Any = None, *args: Any, **options: Any
    ) -> None:
        super().prepare_for_flow_run(flow_run, deployment, *args, **options)
        self._entrypoint = (deployment.entrypoint or "") if deployment is not None else ""


class WarmResult(BaseWorkerResult):
    """`status_code` is always 0: a failed run is no fault of the infrastructure."""


class WarmWorker(BaseWorker[WarmConfiguration, BaseVariables, WarmResult]):
    type = "cloudtosys-warm"
    job_configuration = WarmConfiguration

    _display_name = "CloudToSys (aquecido)"
    _description = "Execuções assíncronas dentro de um processo já carregado."

    def __init__(self, work_pool_name: str, **options: Any) -> None:
        options["limit"] = options.get("limit") or DEFAULT_LIMIT
        # A warm start takes no time, so nothing is fetched ahead of its slot.
        options["prefetch_seconds"] = 0
        super().__init__(work_pool_name, **options)
        self._active: dict[UUID, Active] = {}
        self._draining = False

    async def start(self, *args: Any, **options: Any) -> None:
        with temporary_settings(set_defaults={PREFECT_WORKER_QUERY_SECONDS: POLL_SECONDS}):
            await super().start(*args, **options)

    async def setup(self) -> None:
        import_flows()
        self._lane = Lane()
        await super().setup()
        self._watch = asyncio.create_task(self._watch_cancelling())

    async def teardown(self, *exc_info: Any) -> None:
        self._watch.cancel()
        await super().teardown(*exc_info)
        self._lane.close()

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        return [] if self._draining else await super().get_and_submit_flow_runs()

    async def run(
        self,
        flow_run: FlowRun,
        configuration: WarmConfiguration,
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> WarmResult:
        flow = load(configuration.entrypoint)
        args, kwargs = parameters_to_args_kwargs(flow.fn, flow_run.parameters)
        engine = Engine(flow=flow, flow_run=flow_run, parameters=get_call_parameters(flow.fn, args, kwargs))
        active = Active(engine, *self._lane.start(engine.execute()))
        self._active[flow_run.id] = active
        if task_status is not None:
            task_status.started(os.getpid())
        try:
            await _end_of(active)
        finally:
            del self._active[flow_run.id]
        if engine.aborted:
            await self._settle(flow_run.id)
        return WarmResult(identifier=str(os.getpid()), status_code=0)

    async def _propose_submitting_state(self, flow_run: FlowRun) -> None:
        """Nothing: there is no infrastructure to submit to, and each state is a tenth of a short run."""

    async def _give_worker_labels_to_flow_run(self, flow_run_id: UUID) -> None:
        """Nothing, for the same reason."""

    async def drain(self, grace_seconds: float) -> None:
        """Take no more runs, give those under way some time, then interrupt them."""
        self._draining = True
        await self._idle(grace_seconds)
        for active in self._active.values():
            active.stop(INTERRUPTED)
        await self._idle(STOP_SECONDS)

    async def _idle(self, seconds: float) -> None:
        if ends := [asyncio.wrap_future(active.ended) for active in self._active.values()]:
            await asyncio.wait(ends, timeout=seconds)

    async def _watch_cancelling(self) -> None:
        """Asks, because Prefect's event sockets end in silence."""
        while True:
            await asyncio.sleep(CANCEL_POLL_SECONDS)
            if not self._active:
                continue
            try:
                for flow_run in await self._cancelling(list(self._active)):
                    if active := self._active.get(flow_run.id):
                        active.stop(CANCELLED)
            except Exception as error:  # the API may be away; the next look will do
                self._logger.warning("Cancellations not read: %s", type(error).__name__)

    async def _cancelling(self, ids: list[UUID]) -> list[FlowRun]:
        cancelling = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.CANCELLING]))
        wanted = FlowRunFilter(id=FlowRunFilterId(any_=ids), state=cancelling)
        return await self.client.read_flow_runs(flow_run_filter=wanted)

    async def _settle(self, flow_run_id: UUID) -> None:
        """A run cancelled between Pending and Running is refused by the server and would stay Cancelling."""
        if await self._cancelling([flow_run_id]):
            state: State[Any] = Cancelled(message=_MESSAGES[CANCELLED])
            await self.client.set_flow_run_state(flow_run_id, state, force=True)


async def _end_of(active: Active) -> None:
    """Wait for a run. When the worker itself is torn down, the run is interrupted first."""
    ended = asyncio.wrap_future(active.ended)
    try:
        await asyncio.shield(ended)
    except asyncio.CancelledError:
        if ended.done():
            return
        active.stop(INTERRUPTED)
        with anyio.CancelScope(shield=True), anyio.move_on_after(STOP_SECONDS):
            await asyncio.wait([ended])
        raise


def packages() -> tuple[str, ...]:
    """Packages that flows may come from: whoever reaches Prefect's API could name any code otherwise."""
    return tuple(os.environ.get("CLOUDTOSYS_FLOW_PACKAGES", "flows").split(","))


def import_flows() -> None:
    """Import every flow module, so that the first run is as quick as the next."""
    for package in packages():
        found = importlib.import_module(package)
        for module in pkgutil.iter_modules(getattr(found, "__path__", ())):
            importlib.import_module(f"{package}.{module.name}")


@lru_cache(maxsize=256)
def load(entrypoint: str) -> Flow[..., Any]:
    """The flow of a module-path entrypoint (`flows.sync.sync_products`). Raises `ValueError`."""
    module, _, name = entrypoint.rpartition(".")
    if not any(module == package or module.startswith(f"{package}.") for package in packages()):
        raise ValueError(f"Entrypoint fora dos pacotes permitidos: {entrypoint!r}.")
    flow = getattr(importlib.import_module(module), name)
    if not isinstance(flow, Flow) or not flow.isasync:
        raise ValueError(f"O worker aquecido executa flows assíncronos: {entrypoint!r}.")
    return flow
