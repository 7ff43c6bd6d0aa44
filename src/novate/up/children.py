"""A supervisor's children: how it holds them, how one of them forks another for it, and that all end with it.

A core that has recovered has what a reader would recover once more. So its supervisor asks it to fork the reader on the way:

    supervisor    opens the reader's pipes, starts the core with `--then` and their numbers
    core          forks twice where its recovery comes by, says the reader's number, goes on
    reader        has the pipes as standard output and error, nothing else of the core's but its memory; its parent is the supervisor

Responsible for: nothing open of the one is open in the other, least of all the home's lock. Never: decides what a child does.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Final, NoReturn, Protocol

import msgspec
from setproctitle import setproctitle

from novate.errors import NovateError

SUPERVISED: Final = "NOVATE_SUPERVISED"
"""Set for a process that a supervisor started, to the supervisor's number: it says on standard output that it serves."""
FORKED: Final = "forked"
"""First word of the line by which a process says that it forked another, its number behind it."""
AVAILABLE: Final = sys.platform == "linux"
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_LOOK_S: Final = 0.02
_MOMENT_S: Final = 0.001
_ERRORS: Final = 2
"""Standard error."""


class SupervisorGone(NovateError):
    """Who started this process has ended already."""

    code = "supervisor_gone"


class Then(msgspec.Struct, frozen=True):
    """What a process is to fork: a command line of `novate`, and where its words go."""

    arguments: tuple[str, ...]
    out: int
    """File of its standard output."""
    err: int = _ERRORS
    """File of its standard error."""


class Child(Protocol):
    """A process as its supervisor holds it; `subprocess.Popen` is one."""

    @property
    def stdout(self) -> IO[str] | None:
        """What it writes to standard output."""
        ...

    @property
    def stderr(self) -> IO[str] | None:
        """What it writes to standard error; None where that goes elsewhere."""
        ...

    def poll(self) -> int | None:
        """Its exit status, minus a signal's number for one that was killed; None while it runs."""
        ...

    def terminate(self) -> None:
        """SIGTERM."""
        ...

    def kill(self) -> None:
        """SIGKILL."""
        ...

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status. Raises subprocess.TimeoutExpired."""
        ...


class Forked:
    """A child of this process that another one forked."""

    def __init__(self, pid: int, stdout: IO[str], stderr: IO[str] | None) -> None:
        self.pid = pid
        self.stdout = stdout
        self.stderr = stderr
        self._status: int | None = None
        self._asking = threading.Lock()

    def poll(self) -> int | None:
        """See Child. From any thread: the system tells how it ended once."""
        with self._asking:
            if self._status is None:
                try:
                    pid, status = os.waitpid(self.pid, os.WNOHANG)
                except ChildProcessError:  # it is nobody's, so that nobody knows how it ended
                    pid, status = self.pid, 0
                if pid:
                    self._status = os.waitstatus_to_exitcode(status)
            return self._status

    def terminate(self) -> None:
        """See Child."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """See Child."""
        self._send(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """See Child."""
        end = time.monotonic() + timeout if timeout is not None else float("inf")
        while (status := self.poll()) is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
            time.sleep(_LOOK_S)
        return status

    def _send(self, number: signal.Signals) -> None:
        if self.poll() is None:  # not waited for yet, so that the number is still its own
            os.kill(self.pid, number)


class Pipes:
    """Where the words of a process to be forked will come from."""

    def __init__(self, *, with_errors: bool) -> None:
        out, self._write_out = os.pipe()
        self.stdout: IO[str] = os.fdopen(out)
        self.stderr: IO[str] | None = None
        self._write_err = _ERRORS
        if with_errors:
            err, self._write_err = os.pipe()
            self.stderr = os.fdopen(err)

    @property
    def passed(self) -> tuple[int, ...]:
        """Files that the process which forks must have."""
        return (self._write_out,) if self._write_err == _ERRORS else (self._write_out, self._write_err)

    def then(self, arguments: tuple[str, ...]) -> str:
        """`--then` for the process that is to fork a `novate` with `arguments`."""
        return msgspec.json.encode(Then(arguments, self._write_out, self._write_err)).decode()

    def given(self) -> None:
        """The other process has them."""
        for file in self.passed:
            os.close(file)

    def forked(self, pid: int) -> Forked:
        """The process."""
        return Forked(pid, self.stdout, self.stderr)

    def close(self) -> None:
        """Nothing was forked."""
        self.stdout.close()
        if self.stderr is not None:
            self.stderr.close()


def adopt_orphans() -> None:
    """What descends from this process and loses its parent becomes its child, not that of process 1. Where the system has no such thing, nothing."""
    if AVAILABLE:
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_with_supervisor() -> None:
    """Asks for SIGTERM once this process's supervisor is gone, however it ended; nothing for a process without one. Raises SupervisorGone."""
    supervisor = os.environ.get(SUPERVISED, "")
    if AVAILABLE and supervisor.isdigit() and int(supervisor) > 1:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != int(supervisor):
            raise SupervisorGone(f"The supervisor, process {supervisor}, is gone; nothing was begun.")


def fork(then: Then, work: Callable[[], int]) -> int | None:
    """Forks a process that does `work` and exits with what it returns; returns its number, None where the system does not give one.

    For a process with one thread. The copy has its standard output and error as `then` says, no other file, and no right to go before others.
    Its parent is whoever adopts orphans.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    gc.collect()  # what would be closed later is closed now: a number may be another file's there
    told, tell = os.pipe()
    try:
        between = os.fork()
        if between == 0:
            _fork_again(then, tell, work)
        os.waitpid(between, 0)
    except OSError:
        return None  # no memory is promised for a second one, or there are processes enough
    finally:
        for file in {tell, then.out, then.err} - {_ERRORS}:
            os.close(file)
        with os.fdopen(told) as words:
            pid = words.read()
    return int(pid) if pid else None


def _fork_again(then: Then, tell: int, work: Callable[[], int]) -> NoReturn:
    """In the process between, which ends at once so that the copy is an orphan. Never comes back: nothing of what the first one was about to do is done here."""
    status, between = 70, os.getpid()
    try:
        if pid := os.fork():
            os.write(tell, str(pid).encode())
            os._exit(0)
        while os.getppid() == between:
            time.sleep(_MOMENT_S)
        os.dup2(then.out, 1)
        os.dup2(then.err, 2)
        for file in [int(name) for name in os.listdir("/proc/self/fd")]:  # noqa: PTH208 - numbers, not paths
            if file > _ERRORS:
                with suppress(OSError):  # the one that lists them
                    os.close(file)
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        setproctitle(" ".join((sys.executable, "-m", "novate.cli", *then.arguments)))
        status = work()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
