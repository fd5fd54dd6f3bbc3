"""The actors: a router for each run, a node actor for each node that has got a message. Not here: decisions (`core`), threads (`dispatch`)."""

from actorflow.actors.base import LeasedActor
from actorflow.actors.node import NodeActor
from actorflow.actors.router import RouterActor

__all__ = ["LeasedActor", "NodeActor", "RouterActor"]
