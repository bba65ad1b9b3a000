"""The workers of a Dask cluster. Only this file knows dask.distributed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from importlib import import_module
from time import monotonic
from typing import Any

from actionrun.runtime.errors import USAGE, RunError
from actionrun.runtime.events import Listener, Noted
from distributed import Client, Security, wait
from distributed.comm.core import connect

from .pool import Lost, value_of
from .worker import MAIN, Answer, versions

SECONDS = 20.0  # that a scheduler may take to answer
LONGEST = 120.0  # seconds that a cluster may be without a worker


class DaskPool(AbstractContextManager):
    """The workers of a Dask scheduler, such as tcp://host:8786."""

    def __init__(self, address: str, on_event: Listener) -> None:
        try:
            asyncio.run(_greet(address))
            self._client: Any = Client(address, timeout=SECONDS, set_as_default=False)
        except Exception as error:  # what Dask raises of an address has no common class
            hint = ""
            if address.startswith("tls://"):
                hint = (
                    ". tls:// needs certificates: set distributed.comm.tls of Dask, such as by "
                    "DASK_DISTRIBUTED__COMM__TLS__CA_FILE, here and at the scheduler"
                )
            raise Unreachable(
                f"no Dask scheduler answers at {address} ({_words(error)}){hint}"
            ) from None
        self._address, self._on_event = address, on_event
        self._tags: dict[Any, int] = {}
        self._versions = versions()
        self._alone: float | None = None  # since when there is no worker

    @property
    def size(self) -> int:
        with self._reachable():
            return max(1, sum(self._client.nthreads().values()))

    def __exit__(self, *_: object) -> None:
        with suppress(Exception):  # a scheduler that is gone holds nothing of ours
            self._client.cancel(list(self._tags))
            self._client.close()

    def submit(self, tag: int, name: str, *arguments: Any) -> None:
        with self._reachable():
            future = self._client.submit(_work, name, self._versions, *arguments, pure=False)
        self._tags[future] = tag

    def answers(self, seconds: float) -> Iterator[tuple[int, Any]]:
        with self._reachable(), suppress(TimeoutError), self._client.as_current():
            wait(list(self._tags), timeout=seconds, return_when="FIRST_COMPLETED")
        ended = [one for one in self._tags if one.done()]
        if not ended:
            self._require_workers()
        for future in ended:
            tag = self._tags.pop(future)
            try:
                answer: Answer = future.result()
            except Exception as error:  # KilledWorker, CancelledError, a lost scheduler
                raise Lost(f"the cluster could not do a task: {_words(error)}") from None
            yield tag, value_of(answer)

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        """Raise Lost where the scheduler is gone."""
        try:
            yield
        except (RunError, TimeoutError):
            raise
        except Exception as error:  # of Dask's communication, of Tornado, of the event loop
            raise Lost(
                f"the Dask scheduler at {self._address} is gone ({_words(error)}). "
                "Start it again, and the same command goes on"
            ) from None

    def _require_workers(self) -> None:
        """Say once that there is nobody to do the work; give up after a while."""
        with self._reachable():
            there = self._client.nthreads()
        if there:
            self._alone = None
            return
        how = f"start one: dask worker {self._address} --nthreads 1"
        if self._alone is None:
            self._alone = monotonic()
            self._on_event(Noted(f"{self._address} has no worker; waiting {LONGEST:.0f} s for one. "
                                 f"On another terminal or machine {how}"))  # fmt: skip
        elif monotonic() - self._alone > LONGEST:
            raise Lost(
                f"{self._address} has had no worker for {LONGEST:.0f} s; {how}, and run this again"
            )

    def running(self) -> Sequence[int]:
        return list(self._tags.values())

    def cancel_pending(self) -> None:
        try:
            started = {key for keys in self._client.processing().values() for key in keys}
        except Exception:  # the scheduler is gone, and all its tasks with it
            self._tags.clear()
            return
        idle = [future for future in self._tags if future.key not in started]
        with suppress(Exception):
            self._client.cancel(idle)
        for future in idle:
            del self._tags[future]


async def _greet(address: str) -> None:
    """Call a scheduler and hang up. A client that cannot be made goes on trying when it is thrown
    away, and complains of itself."""
    comm = await connect(address, timeout=SECONDS, **Security().get_connection_args("client"))
    await comm.close()


def _words(error: BaseException) -> str:
    """An error in a line: Dask's own run over several and name no cause."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def _work(name: str, versions: Mapping[str, str], *arguments: Any) -> Answer:
    """In the process of a Dask worker: do the task of this name."""
    return import_module(MAIN).work(name, versions, *arguments)


class Unreachable(RunError):  # noqa: N818
    """No scheduler answers."""

    code = USAGE
