"""The simulated models in a separate process, so that they do not slow down what is measured.

python -m shadow.devstack.model_servers.process FRONTIER_PORT CANDIDATE_PORT JUDGE_PORT NOW SEED
"""

import asyncio
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, TypeAlias

import uvicorn

from shadow.devstack.model_servers.judge import JUDGE_NAME, judge_app
from shadow.devstack.model_servers.models import SimulatedServer, simulated_app
from shadow.devstack.services.processes import ServerProcess, answers, free_port
from shadow.devstack.simulation.accuracy import MODEL_NAMES
from shadow.devstack.simulation.world import World
from shadow.records import Role

#: The models, each with its own endpoint.
Part: TypeAlias = Role | Literal["judge"]

NAMES: Final[Mapping[Part, str]] = {
    "frontier": MODEL_NAMES["frontier"],
    "candidate": MODEL_NAMES["candidate"],
    "judge": JUDGE_NAME,
}

_START_TIMEOUT_S: Final = 30.0


class SimulatedModels(ServerProcess):
    """The world's frontier, candidate and judge on loopback ports. They take the latency that they report."""

    def __init__(self, world: World, *, log: Path) -> None:
        super().__init__("the simulated models", log)
        self._world = world
        self._ports: dict[Part, int] = {part: free_port() for part in NAMES}

    def start(self) -> None:
        """Start them and wait until all answer. Raises DevstackError if they do not."""
        ports = [str(port) for port in self._ports.values()]
        world = [self._world.now.isoformat(), str(self._world.seed)]
        self.launch([sys.executable, "-m", __spec__.name, *ports, *world])
        self.wait_until(lambda: all(answers(port) for port in self._ports.values()), _START_TIMEOUT_S)

    def url(self, part: Part) -> str:
        """The endpoint of a model, up to and including `/v1`."""
        return f"http://127.0.0.1:{self._ports[part]}/v1"

    @staticmethod
    def model_name(part: Part) -> str:
        return NAMES[part]


async def serve(world: World, ports: Mapping[Part, int]) -> None:
    """Serve each model on its port until SIGINT or SIGTERM."""
    servers = [
        uvicorn.Server(uvicorn.Config(_app(part, world), host="127.0.0.1", port=port, log_level="warning", ws="none"))
        for part, port in ports.items()
    ]
    await asyncio.gather(*(server.serve() for server in servers))


def _app(part: Part, world: World) -> SimulatedServer:
    return judge_app(world, time_scale=1.0) if part == "judge" else simulated_app(part, world, time_scale=1.0)


def main(frontier_port: str, candidate_port: str, judge_port: str, now: str, seed: str) -> None:
    world = World(now=datetime.fromisoformat(now), seed=int(seed))
    ports: dict[Part, int] = {
        "frontier": int(frontier_port),
        "candidate": int(candidate_port),
        "judge": int(judge_port),
    }
    asyncio.run(serve(world, ports))


if __name__ == "__main__":
    main(*sys.argv[1:])
