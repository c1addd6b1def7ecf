"""`shadow demo`: the whole product on this machine, on embedded services and simulated models."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from shadow.cli.demo import folder as demo_folder
from shadow.cli.demo.evidence import follow
from shadow.cli.demo.settings import Models, Ports, write_settings
from shadow.cli.output.evidence_table import plain
from shadow.cli.runtime import preflight
from shadow.cli.runtime.supervisor import Service, refuse_ended, refuse_used_ports, running, stop_on_signals, watch
from shadow.cli.up import services_of
from shadow.devstack.model_servers.process import SimulatedModels
from shadow.devstack.services.broker import EmbeddedBroker
from shadow.devstack.services.postgres import EmbeddedPostgres
from shadow.devstack.services.processes import ServerProcess
from shadow.devstack.simulation import traffic
from shadow.devstack.simulation.failed_requests import Failures
from shadow.devstack.simulation.world import World
from shadow.errors import ShadowError, UsageError
from shadow.publisher import Publisher
from shadow.settings import Settings, load
from shadow.store.read import ledger
from shadow.store.schema import engine, migrate

#: Of the past, so much must have been compared before somebody is sent to look at it.
_FIRST_LOOK_SHARE = 0.15


def command(
    frontier_url: Annotated[str | None, typer.Option(help="A real frontier, up to /v1; else it is simulated.")] = None,
    frontier_model: Annotated[str | None, typer.Option(help="Its model name.")] = None,
    frontier_key_env: Annotated[str | None, typer.Option(help="Environment variable that holds its key.")] = None,
    candidate_url: Annotated[
        str | None, typer.Option(help="A real candidate, up to /v1; else it is simulated.")
    ] = None,
    candidate_model: Annotated[str | None, typer.Option(help="Its model name.")] = None,
    candidate_key_env: Annotated[str | None, typer.Option(help="Environment variable that holds its key.")] = None,
    days: Annotated[
        int | None, typer.Option(min=0, help="Days of simulated past; 21, or none with a real model.")
    ] = None,
    exchanges: Annotated[int, typer.Option(min=1, help="Exchanges in that past.")] = 20_000,
    per_second: Annotated[float, typer.Option(min=0.1, help="Live requests a second.")] = 1.0,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the dashboard.")] = 8501,
    gateway_port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the gateway.")] = 8080,
    folder: Annotated[
        Path, typer.Option(help="Where its files live; emptied at each start, so it must be new, empty or a demo's.")
    ] = demo_folder.DEFAULT,
) -> None:
    """Run everything on this machine with simulated models, and watch it work.

    PostgreSQL and a Kafka-protocol broker start inside the project folder, three weeks of
    simulated traffic go through the real pipeline with their own times, and live traffic
    goes on until Ctrl-C. Nothing leaves this machine, unless you name a real model.

    Example: shadow demo

    Example: shadow demo --candidate-url http://localhost:8000/v1 --candidate-model my-7b
    """
    models = Models(
        frontier_url=frontier_url,
        frontier_name=frontier_model,
        frontier_key_env=frontier_key_env,
        candidate_url=candidate_url,
        candidate_name=candidate_model,
        candidate_key_env=candidate_key_env,
    )
    past_days = days if days is not None else 21 if models.all_simulated else 0
    if past_days and frontier_url:
        raise UsageError("a real frontier has no simulated past; leave --days out")
    ports = Ports.beside(gateway=gateway_port, dashboard=port)
    console = Console(stderr=True)
    _refuse_unreachable(models)
    with stop_on_signals() as stop, demo_folder.held(folder), _stack(folder, models, ports, console) as stack:
        services = [replace(service, env=stack.env) for service in services_of(stack.settings, stack.config)]
        with (
            running(services, logs=folder / "logs", announce=lambda line: console.print(f"  {line}")) as children,
            closing(Publisher(stack.settings, source="demo")) as publisher,
        ):
            watched = [*stack.servers, *children]
            aside: list[threading.Thread] = []
            if past_days:
                span = timedelta(days=past_days)
                _play_past(stack, publisher, exchanges, span, stop, watched, console, dashboard_port=port)
                aside.append(_begin(lambda: _follow(stack.settings, stack.world, span, stop, console)))
            else:
                _say_where(console, port)
            console.print(f"Live traffic: {per_second:g} requests a second through http://127.0.0.1:{gateway_port}/v1")
            console.print("Ctrl-C stops everything.")
            requests = traffic.live(
                f"http://127.0.0.1:{gateway_port}",
                stack.world,
                stack.settings,
                publisher,
                per_second=per_second,
                failed=_failures(stop, console),
                stopped=stop.is_set,
            )
            aside.append(_begin(lambda: asyncio.run(requests)))
            watch(watched, stop)
            console.print("Stopping …")
            for thread in aside:
                thread.join(timeout=5)
    console.print("Stopped.")


@dataclass(frozen=True, kw_only=True)
class _Stack:
    """What runs below the services, and the settings under which all meet."""

    settings: Settings
    config: Path
    env: dict[str, str]
    world: World
    servers: Sequence[ServerProcess]


@contextmanager
def _stack(folder: Path, models: Models, ports: Ports, console: Console) -> Iterator[_Stack]:
    """PostgreSQL, broker and simulated models in a held folder, from which an earlier demo's are removed."""
    # First, so that a start that fails has destroyed nothing.
    refuse_used_ports([Service(name=name, port=port, ready_url="") for name, port in ports.items()])
    demo_folder.empty(folder)
    # The world knows what its own candidate would have served, and of a real one nothing.
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
            console.print("  [yellow]simulated[/] models: what they say and how good they are is made up")
        yield _Stack(settings=settings, config=config, env=env, world=world, servers=(broker, simulated))


def _refuse_unreachable(models: Models) -> None:
    """UsageError, before anything is started, for a real model that does not answer."""
    if found := [fault for fault in preflight.faults(models.real()).values() if fault is not None]:
        raise UsageError("\n".join(map(plain, found)))


def _failures(stop: threading.Event, console: Console) -> Callable[[Exception], None]:
    """Tells of failed live requests, until everything is stopped and requests must fail."""
    failures = Failures(lambda line: console.print(f"  {plain(line)}", markup=False, highlight=False, soft_wrap=True))
    return lambda fault: None if stop.is_set() else failures.add(fault)


def _play_past(
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
    """Send the past through the pipeline, and say where to look once there is something to see."""
    past = traffic.past_exchanges(stack.world, stack.settings, count=count, span=span)
    _begin(lambda: traffic.publish_past(publisher, past, progress=lambda _: None, stopped=stop.is_set))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    said = False
    with ExitStack() as closed:
        database = engine.connect(stack.settings.postgres_url())
        closed.callback(database.dispose)
        bar = closed.enter_context(Progress(*columns, console=console))
        line = bar.add_task(f"{span.days} days of the past, compared", total=count)
        done = 0
        while done < count and not stop.wait(0.5):
            refuse_ended(watched)  # without them the past would never be compared
            with database.connect() as connection:
                state = ledger.read(connection)
            done = state.mirrored - state.in_flight + sum(state.dropped.values())
            bar.update(line, completed=done)
            if not said and done >= _FIRST_LOOK_SHARE * count:
                said = True
                _say_where(bar.console, dashboard_port)


def _say_where(console: Console, port: int) -> None:
    console.print(f"\n  [bold]Dashboard: http://127.0.0.1:{port}[/]\n")


def _begin(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def _follow(settings: Settings, world: World, span: timedelta, stop: threading.Event, console: Console) -> None:
    """Say what becomes of the past once it is compared."""

    def say(line: str) -> None:
        console.print(f"  {line}", highlight=False, soft_wrap=True)

    try:
        database = engine.connect(settings.postgres_url())
        try:
            follow(database, settings, world, span, stop, say)
        finally:
            database.dispose()
    except ShadowError as fault:
        if not stop.is_set():
            console.print(f"  [yellow]{fault}[/]")


def _settings_with(config: Path, env: dict[str, str]) -> Settings:
    """The settings as a child with `env` will read them."""
    settings = load(config)
    kafka = settings.kafka.model_copy(update={"bootstrap_servers": env["SHADOW_KAFKA"]})
    postgres = settings.postgres.model_copy(update={"url": env["SHADOW_POSTGRES"]})
    return settings.model_copy(update={"kafka": kafka, "postgres": postgres})
