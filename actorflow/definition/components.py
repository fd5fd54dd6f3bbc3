"""Strongly connected components of a directed graph, and what can be reached in it, without recursion. Not here: what that
means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["components", "reachable"]


def components(successors: Sequence[Sequence[int]]) -> list[list[int]]:
    """The components of the graph `node -> successors`, each before the ones it leads to; O(nodes + edges).
    Source: Tarjan 1972, with a stack of our own."""
    count = len(successors)
    number = [-1] * count
    low = [0] * count
    on_stack = bytearray(count)
    stack: list[int] = []
    found: list[list[int]] = []
    clock = 0
    for root in range(count):
        if number[root] >= 0:
            continue
        work = [(root, 0)]
        while work:
            node, position = work.pop()
            if position == 0:
                number[node] = low[node] = clock
                clock += 1
                stack.append(node)
                on_stack[node] = 1
            descended = False
            edges = successors[node]
            while position < len(edges):
                target = edges[position]
                position += 1
                if number[target] < 0:
                    work.append((node, position))
                    work.append((target, 0))
                    descended = True
                    break
                if on_stack[target]:
                    low[node] = min(low[node], number[target])
            if descended:
                continue
            if low[node] == number[node]:
                found.append(_pop_component(stack, on_stack, node))
            if work:
                parent = work[-1][0]
                low[parent] = min(low[parent], low[node])
    found.reverse()
    return found


def _pop_component(stack: list[int], on_stack: bytearray, root: int) -> list[int]:
    component: list[int] = []
    while True:
        node = stack.pop()
        on_stack[node] = 0
        component.append(node)
        if node == root:
            return component


def reachable(count: int, starts: Iterable[int], successors: Sequence[Sequence[int]]) -> bytearray:
    """Which of `count` nodes can be reached from `starts`, themselves included: one byte each."""
    seen = bytearray(count)
    stack = list(starts)
    for start in stack:
        seen[start] = 1
    while stack:
        for target in successors[stack.pop()]:
            if not seen[target]:
                seen[target] = 1
                stack.append(target)
    return seen
