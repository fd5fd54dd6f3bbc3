"""What the tests of running workflows share: small workflows, and a handler that waits until it is let go."""

import threading

import actorflow as af


def chain(*handlers, name="flow", nodes=None, **options):
    """A definition with these handlers one after the other; `nodes` are options of each node."""
    made = af.Workflow(name, **options)
    names = []
    for handler in handlers:
        plain = getattr(handler, "__name__", type(handler).__name__).strip("<>")
        names.append(plain if plain not in names else f"{plain}{len(names)}")
        made.add(handler, name=names[-1], **(nodes or {}))
    if len(names) > 1:
        made.chain(*names)
    return made.build()


def fan(count, handler, **options):
    """A definition with `count` nodes beside each other, n0, n1 and so on."""
    made = af.Workflow("fan")
    for number in range(count):
        made.add(handler, name=f"n{number}", **options)
    return made.build()


class Held:
    """A handler that waits until it is let go."""

    def __init__(self):
        self.at_work = threading.Event()
        self.go = threading.Event()
        self.returned = threading.Event()

    def __call__(self, x):
        self.at_work.set()
        assert self.go.wait(20)
        self.returned.set()
        return x
