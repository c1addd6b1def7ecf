"""Child processes that log to a file, can be frozen and killed, and end with their parent."""

import atexit
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from shadow.errors import DevstackError

# Runs in the child between fork and the real program, because `preexec_fn` may deadlock in a
# process with threads. It drops root first, because changing the user clears the death signal. The
# last check is for a parent that died before the death signal was set.
_LAUNCHER = """
import ctypes, os, sys
parent, death_signal, uid, gid = map(int, sys.argv[1:5])
if os.getuid() != uid:
    os.setgroups([]); os.setgid(gid); os.setuid(uid)
if death_signal and sys.platform == "linux":
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent:
        sys.exit("the parent has ended")
os.execv(sys.argv[5], sys.argv[5:])
"""

# Linux sends the death signal when the *thread* that forked ends, not the process. So this one
# thread forks all children; it lives as long as the interpreter.
_forker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="shadow-devstack")


def launch(
    argv: Sequence[str],
    *,
    log: Path,
    death_signal: int = signal.SIGKILL,
    user: tuple[int, int] | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> "subprocess.Popen[bytes]":
    """Start `argv` (absolute path first) with its output appended to `log`.

    The child gets `death_signal` when this process dies; with 0 it lives on. `user` is a (uid, gid)
    to run as, for a program that refuses to run as root. The child has its own session, so that
    Ctrl-C does not reach it directly.
    """
    uid, gid = user or (os.getuid(), os.getgid())
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER]
    fate = [str(os.getpid()), str(int(death_signal)), str(uid), str(gid)]

    def fork() -> "subprocess.Popen[bytes]":
        with log.open("ab") as output:
            return subprocess.Popen(  # noqa: S603 - starting programs is this module's purpose
                [*launcher, *fate, *argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=None if env is None else {**os.environ, **env},
                cwd=cwd,
            )

    return _forker.submit(fork).result()


class ServerProcess:
    """A server that this process starts, stops, and, in tests, freezes or kills."""

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log
        self._child: subprocess.Popen[bytes] | None = None

    def launch(
        self,
        argv: Sequence[str],
        *,
        death_signal: int = signal.SIGKILL,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        if self.running:
            raise DevstackError(f"{self.name} is already running (pid {self.pid})")
        try:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            self.log.open("ab").close()
        except OSError as error:
            raise DevstackError(f"{self.name} cannot log to {self.log}: {error.strerror}") from None
        self._child = launch(argv, log=self.log, death_signal=death_signal, env=env, cwd=cwd)
        atexit.register(self.stop)

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int:
        if self._child is None:
            raise DevstackError(f"{self.name} was not started")
        return self._child.pid

    def pause(self) -> None:
        """Freeze it (SIGSTOP): its connections stay open, and it does not answer."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """Kill it (SIGKILL), as a crash would, and wait until it has ended."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()

    def stop(self, timeout: float = 10.0) -> None:
        """Ask it to end (SIGTERM), and kill it after `timeout` seconds."""
        atexit.unregister(self.stop)
        if self._child is None or self._child.poll() is not None:
            return
        self._child.terminate()
        self._child.send_signal(signal.SIGCONT)  # a frozen process cannot handle the signal
        try:
            self._child.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()

    def wait_until(self, ready: Callable[[], bool], timeout: float) -> None:
        """Return once `ready()`. Otherwise raises DevstackError, with the end of the log, after `timeout` seconds."""
        try:
            poll_until(ready, timeout=timeout, alive=lambda: self.running)
        except TimeoutError as error:
            self.kill()
            raise DevstackError(f"{self.name} did not start: {tail(self.log)}") from error


def poll_until(ready: Callable[[], bool], *, timeout: float, alive: Callable[[], bool] = lambda: True) -> None:
    """Poll until `ready()`. Raises TimeoutError after `timeout` seconds, or as soon as not `alive()`."""
    deadline = time.monotonic() + timeout
    while not ready():
        if not alive() or time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.02)


def tail(log: Path, lines: int = 5) -> str:
    """The last lines of a log, joined to one line for an error message."""
    try:
        text = log.read_text(errors="replace").strip()
    except FileNotFoundError:
        text = ""
    return " | ".join(text.splitlines()[-lines:]) or f"no output in {log}"


def free_port() -> int:
    """A loopback port that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    """Whether a server accepts connections on this loopback port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
    except OSError:
        return False
    return True


def claim_port(port: int, what: str) -> int:
    """`port`, or a free one for 0. Raises DevstackError if the port is in use."""
    if port and answers(port):
        raise DevstackError(f"port {port} is in use: stop what listens there or give {what} another port")
    return port or free_port()
