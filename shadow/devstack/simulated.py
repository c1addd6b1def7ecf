"""Both simulated models in a process of their own, so that they slow nothing they are measured beside.

python -m shadow.devstack.simulated FRONTIER_PORT CANDIDATE_PORT NOW SEED
"""

import asyncio
import sys
from datetime import datetime
from pathlib import Path
from typing import Final

import uvicorn

from shadow.devstack.abilities import MODEL_NAMES
from shadow.devstack.models import simulated_app
from shadow.devstack.processes import ServerProcess, answers, free_port
from shadow.devstack.world import World
from shadow.records import Role

_START_TIMEOUT_S: Final = 30.0


class SimulatedModels(ServerProcess):
    """The world's frontier and candidate on two loopback ports; they take the time they claim."""

    def __init__(self, world: World, *, log: Path) -> None:
        super().__init__("the simulated models", log)
        self._world = world
        self._ports: dict[Role, int] = {"frontier": free_port(), "candidate": free_port()}

    def start(self) -> None:
        """Start and wait until both answer; DevstackError if they do not."""
        ports = [str(self._ports["frontier"]), str(self._ports["candidate"])]
        world = [self._world.now.isoformat(), str(self._world.seed)]
        self.launch([sys.executable, "-m", __spec__.name, *ports, *world])
        self.wait_until(lambda: all(answers(port) for port in self._ports.values()), _START_TIMEOUT_S)

    def url(self, role: Role) -> str:
        """The endpoint of a model, up to and including `/v1`."""
        return f"http://127.0.0.1:{self._ports[role]}/v1"

    @staticmethod
    def model_name(role: Role) -> str:
        return MODEL_NAMES[role]


async def serve(world: World, ports: dict[Role, int]) -> None:
    """Serve each role on its port until the process is told to end."""
    servers = [
        uvicorn.Server(
            uvicorn.Config(
                simulated_app(role, world, time_scale=1.0), host="127.0.0.1", port=port, log_level="warning", ws="none"
            )
        )
        for role, port in ports.items()
    ]
    await asyncio.gather(*(server.serve() for server in servers))


def main(frontier_port: str, candidate_port: str, now: str, seed: str) -> None:
    world = World(now=datetime.fromisoformat(now), seed=int(seed))
    asyncio.run(serve(world, {"frontier": int(frontier_port), "candidate": int(candidate_port)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
