"""`shadow demo`: the whole product on this machine, on embedded services and simulated models."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from shadow.cli.demo import folder as demo_folder
from shadow.cli.demo.evidence import report_evidence
from shadow.cli.demo.settings import Models, Ports, write_settings
from shadow.cli.output.terminal import plain
from shadow.cli.runtime import preflight
from shadow.cli.runtime.services import services_of
from shadow.cli.runtime.supervisor import Service, refuse_ended, refuse_used_ports, running, stop_on_signals, watch
from shadow.devstack.model_servers.process import SimulatedModels
from shadow.devstack.services.broker import EmbeddedBroker
from shadow.devstack.services.postgres import EmbeddedPostgres
from shadow.devstack.services.processes import ServerProcess
from shadow.devstack.simulation import traffic
from shadow.devstack.simulation.failed_requests import FailedRequests
from shadow.devstack.simulation.world import World
from shadow.errors import ShadowError, UsageError
from shadow.publisher import Publisher
from shadow.settings import Settings, load
from shadow.store.read import ledger
from shadow.store.schema import engine, migrate

#: Share of the history that is compared before the dashboard's address is printed: enough to see something.
_DASHBOARD_AFTER = 0.15


def run(
    models: Models,
    *,
    days: int | None,
    exchanges: int,
    per_second: float,
    port: int,
    gateway_port: int,
    folder: Path,
) -> None:
    """Run the demo until Ctrl-C or SIGTERM. Raises ShadowError if a part cannot start or has ended."""
    history_days = days if days is not None else 21 if models.all_simulated else 0
    if history_days and models.frontier_url:
        raise UsageError("--days: a real frontier has no simulated history; leave --days out")
    ports = Ports.beside(gateway=gateway_port, dashboard=port)
    console = Console(stderr=True)
    _refuse_unreachable(models)
    with stop_on_signals() as stop, demo_folder.lock(folder), _stack(folder, models, ports, console) as stack:
        services = [replace(service, env=stack.env) for service in services_of(stack.settings, stack.config)]
        with (
            running(services, logs=folder / "logs", announce=lambda line: console.print(f"  {line}")) as children,
            closing(Publisher(stack.settings, source="demo")) as publisher,
        ):
            watched = [*stack.servers, *children]
            threads: list[threading.Thread] = []
            if history_days:
                span = timedelta(days=history_days)
                _play_history(stack, publisher, exchanges, span, stop, watched, console, dashboard_port=port)
                threads.append(_start(lambda: _report_progress(stack.settings, stack.world, span, stop, console)))
            else:
                _print_dashboard(console, port)
            console.print(f"Live traffic: {per_second:g} requests per second to http://127.0.0.1:{gateway_port}/v1")
            console.print("Ctrl-C stops everything.")
            requests = traffic.live(
                f"http://127.0.0.1:{gateway_port}",
                stack.world,
                stack.settings,
                publisher,
                per_second=per_second,
                failed=_report_failures(stop, console),
                stopped=stop.is_set,
            )
            threads.append(_start(lambda: asyncio.run(requests)))
            watch(watched, stop)
            console.print("Stopping …")
            for thread in threads:
                thread.join(timeout=5)
    console.print("Stopped.")


@dataclass(frozen=True, kw_only=True)
class _Stack:
    """The servers below the services, and the settings that all of them use."""

    settings: Settings
    config: Path
    env: dict[str, str]
    world: World
    servers: Sequence[ServerProcess]


@contextmanager
def _stack(folder: Path, models: Models, ports: Ports, console: Console) -> Iterator[_Stack]:
    """PostgreSQL, broker and simulated models in a locked folder. An earlier demo's files are removed."""
    # Checked first, so that a start that fails deletes nothing.
    refuse_used_ports([Service(name=name, port=port, ready_url="") for name, port in ports.items()])
    demo_folder.empty(folder)
    # A simulated rollout needs the replies of a simulated candidate.
    world = World(now=datetime.now(UTC), rollout=models.all_simulated)
    with ExitStack() as stack:
        console.print("Starting PostgreSQL, a broker (in memory) and the models …")
        database = EmbeddedPostgres(folder / "postgres")
        stack.callback(database.stop)
        database.start()
        broker = EmbeddedBroker(log=folder / "logs" / "broker.log")
        stack.callback(broker.stop)
        broker.start()
        simulated = SimulatedModels(world, log=folder / "logs" / "models.log")
        stack.callback(simulated.stop)
        simulated.start()
        config = write_settings(folder / "shadow.toml", models, ports, simulated)
        env = {"SHADOW_KAFKA": broker.bootstrap, "SHADOW_POSTGRES": database.url}
        settings = _settings_with(config, env)
        migrate.upgrade(database.url)
        if models.any_simulated:
            console.print("  [yellow]simulated[/] models: their replies and their quality are invented")
        yield _Stack(settings=settings, config=config, env=env, world=world, servers=(broker, simulated))


def _refuse_unreachable(models: Models) -> None:
    """Raise UsageError for a real model that does not answer, before anything is started."""
    problems = preflight.model_problems(models.real()).values()
    if found := [problem for problem in problems if problem is not None]:
        raise UsageError("\n".join(map(plain, found)))


def _report_failures(stop: threading.Event, console: Console) -> Callable[[Exception], None]:
    """A function that reports failed live requests until the demo stops, when requests must fail."""

    def print_line(line: str) -> None:
        console.print(f"  {plain(line)}", markup=False, highlight=False, soft_wrap=True)

    failures = FailedRequests(print_line)
    return lambda error: None if stop.is_set() else failures.add(error)


def _play_history(
    stack: _Stack,
    publisher: Publisher,
    count: int,
    span: timedelta,
    stop: threading.Event,
    watched: Sequence[ServerProcess],
    console: Console,
    *,
    dashboard_port: int,
) -> None:
    """Send the history through the pipeline, and print the dashboard's address once there is something to see."""
    history = traffic.past_exchanges(stack.world, stack.settings, count=count, span=span)
    _start(lambda: traffic.publish_past(publisher, history, progress=lambda _: None, stopped=stop.is_set))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    printed = False
    with ExitStack() as closed:
        database = engine.connect(stack.settings.postgres_url())
        closed.callback(database.dispose)
        bar = closed.enter_context(Progress(*columns, console=console))
        line = bar.add_task(f"{span.days} days of history compared", total=count)
        done = 0
        while done < count and not stop.wait(0.5):
            refuse_ended(watched)  # without them the comparison would never finish
            with database.connect() as connection:
                state = ledger.read(connection)
            done = state.mirrored - state.in_flight + sum(state.dropped.values())
            bar.update(line, completed=done)
            if not printed and done >= _DASHBOARD_AFTER * count:
                printed = True
                _print_dashboard(bar.console, dashboard_port)


def _print_dashboard(console: Console, port: int) -> None:
    console.print(f"\n  [bold]Dashboard: http://127.0.0.1:{port}[/]\n")


def _start(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def _report_progress(
    settings: Settings, world: World, span: timedelta, stop: threading.Event, console: Console
) -> None:
    """Print what judge, labels and monitor find in the history after it is compared."""

    def print_line(line: str) -> None:
        console.print(f"  {line}", highlight=False, soft_wrap=True)

    try:
        database = engine.connect(settings.postgres_url())
        try:
            report_evidence(database, settings, world, span, stop, print_line)
        finally:
            database.dispose()
    except ShadowError as error:
        if not stop.is_set():
            console.print(f"  [yellow]{error}[/]")


def _settings_with(config: Path, env: dict[str, str]) -> Settings:
    """The settings as a child process with `env` reads them."""
    settings = load(config)
    kafka = settings.kafka.model_copy(update={"bootstrap_servers": env["SHADOW_KAFKA"]})
    postgres = settings.postgres.model_copy(update={"url": env["SHADOW_POSTGRES"]})
    return settings.model_copy(update={"kafka": kafka, "postgres": postgres})
