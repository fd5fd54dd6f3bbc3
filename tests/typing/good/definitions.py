"""A workflow as a user writes it. The type checker keeps the signature of each handler through the decorator."""

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, TypedDict, assert_type

import actorflow as af


class Order(TypedDict):
    id: int
    total: float
    currency: str


flow = af.Workflow("orders", version=2, variables={"limit": 100}, timeout=30, on_failure="stop", unrouted="fail")


@flow.node
def check(order: Order) -> af.Emit:
    return af.Emit(order, port="valid" if order["total"] > 0 else "invalid")


@flow.node(name="charge", timeout=10, concurrency=4, mailbox=af.Mailbox(capacity=64), ports=["paid", "refused"])
async def charge(order: Order, retries: int = 3) -> str:
    return f"{order['id']}/{retries}"


@flow.node()
def lines(order: Order) -> Iterator[int]:
    yield order["id"]


@flow.node(stream=True, pinned=True)
async def pages(order: Order) -> AsyncIterator[bytes]:
    yield b""


class Stock:
    def __init__(self, levels: dict[str, int]) -> None:
        self.levels = levels

    def receive(self, payload: Order) -> int:
        return self.levels[payload["currency"]]


order = Order(id=7, total=120.0, currency="EUR")

# A node is callable as its function, with the types of its function.
assert_type(check(order), af.Emit)
assert_type(list(lines(order)), list[int])
assert_type(check.name, str)
charging: Awaitable[str] = charge(order, retries=1)
as_function: Callable[[Order], af.Emit] = check

stock = flow.add(Stock, args={"levels": {"EUR": 3}}, join="all")
assert_type(stock({"EUR": 3}).levels, dict[str, int])
twice = flow.add(lambda number: 2 * number, name="twice", join="any")
bound = flow.add(functools.partial(int, base=16), name="parse", accepts=str, emits=int, inputs={"text": "${workflow.input.text}"})
gather = flow.add(sum, name="gather", join=af.Collect(scope="lines", limit=1000))
two_of = flow.add(print, name="two of three", join=2)

# Names, nodes and functions stand for nodes; so do names that come later.
link = flow.connect(check, charge, port="valid", when='output.total > 100 && output.currency == "EUR"')
assert_type(link, af.Connection)
flow.connect(check, "refuse", port="invalid")
flow.connect(charge, "park", on="fail", types=(ValueError, OSError))
flow.connect(charge, stock, when=lambda message: message.payload != "" and message.port is None, types=int | str)
flow.connect("charge", "charge", back=True, limit=3, to="again", enabled=False)
links: tuple[af.Connection, ...] = flow.chain(lines, gather, "report")


def by_hand(message: af.Message) -> bool:
    return message.source == "check" and message.key == ()


flow.connect(check, twice, when=by_hand)
flow.entry(check)
flow.output(gather, "report")

problems: list[af.Problem] = flow.problems()
try:
    definition: af.Definition = flow.build()
except af.InvalidWorkflow as invalid:
    texts: list[str] = [problem.text for problem in invalid.problems]


def names(nodes: list[af.Node[..., Any]]) -> set[str]:
    return {node.name for node in nodes}


names([check, charge, lines])


def add_all(workflow: af.Workflow, functions: dict[str, Callable[[Order], object]]) -> dict[str, af.Node[[Order], object]]:
    return {name: workflow.add(function, name=name) for name, function in functions.items()}
