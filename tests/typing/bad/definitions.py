"""What a type checker must refuse. `# error:` is followed by a part of the message expected on that line."""

import actorflow as af

flow = af.Workflow("orders")


@flow.node
def check(order: dict[str, int]) -> int:
    return order["id"]


# The signature of a handler is kept.
check("order")  # error: Argument 1 to "__call__" of "Node" has incompatible type "str"
check({"id": 1}, 2)  # error: Too many arguments
wrong: str = check({"id": 1})  # error: Incompatible types in assignment
check.name = "other"  # error: Property "name" defined in "Node" is read-only

# Options.
flow.add(5)  # error: Argument 1 to "add" of "Graph" has incompatible type "int"
flow.add(check, concurrency="3")  # error: Argument "concurrency" to "add" of "Graph" has incompatible type "str"
flow.add(check, timeout="10 s")  # error: Argument "timeout" to "add" of "Graph" has incompatible type "str"
flow.add(check, join="some")  # error: Argument "join" to "add" of "Graph" has incompatible type
flow.add(check, mailbox=100)  # error: Argument "mailbox" to "add" of "Graph" has incompatible type "int"
flow.add(check, "name")  # error: Too many positional arguments
flow.add(check, unheard_of=1)  # error: Unexpected keyword argument "unheard_of"
flow.node("name")  # error: No overload variant


@flow.node(concurrency="3")  # error: No overload variant
def other(payload: object) -> None: ...


# Connections.
flow.connect(check, 5)  # error: Argument 2 to "connect" of "Graph" has incompatible type "int"
flow.connect(check, check, "fail")  # error: Too many positional arguments
flow.connect(check, check, on="error")  # error: Argument "on" to "connect" of "Graph" has incompatible type
flow.connect(check, check, when=5)  # error: Argument "when" to "connect" of "Graph" has incompatible type "int"
flow.connect(check, check, when=lambda: True)  # error: Argument "when" to "connect" of "Graph" has incompatible type
flow.connect(check, check, limit=None)  # error: Argument "limit" to "connect" of "Graph" has incompatible type "None"
flow.connect(check)  # error: Missing positional argument "target"
flow.chain(check, 7)  # error: Argument 2 to "chain" of "Graph" has incompatible type "int"
flow.entry(None)  # error: Argument 1 to "entry" of "Graph" has incompatible type "None"

# Workflows and what is built of them.
af.Workflow()  # error: Missing positional argument "name"
af.Workflow("w", on_failure="halt")  # error: Argument "on_failure" to "Workflow" has incompatible type
af.Workflow("w", version=1.5)  # error: Argument "version" to "Workflow" has incompatible type "float"
flow.name = "other"  # error: Property "name" defined in "Graph" is read-only
flow.build().name = "other"  # error: Property "name" defined in "Definition" is read-only
flow.build().connect(check, check)  # error: "Definition" has no attribute "connect"
af.Emit()  # error: Missing positional argument "value"
