"""The command: `python3 tools/dev.py bench [names...]`, or `python -m tools.bench`. Exits with 2 for a name that is unknown,
never for a target that was missed: a busy machine is no defect."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.bench import hops, large, overhead, parts, peers, report, runs, startup, streams, waits
from tools.bench.measure import Benchmark, Row, Settings, Skipped

__all__ = ["BENCHMARKS", "main"]

FAMILIES = (hops, runs, large, streams, waits, overhead, parts, startup, peers)
BENCHMARKS: tuple[Benchmark, ...] = tuple(benchmark for family in FAMILIES for benchmark in family.BENCHMARKS)


def main(arguments: Sequence[str]) -> int:
    """Run what the arguments ask for."""
    asked = _parsed(arguments)
    settings = Settings(asked.rounds, asked.tiny, asked.long, asked.peers)
    chosen = choose(asked.names, settings)
    if not chosen:
        print(f"no benchmark is named like {' or '.join(asked.names)}; --list shows all", file=sys.stderr)
        return 2
    if asked.list:
        for benchmark in chosen:
            print(f"{benchmark.name:<16}{benchmark.about}{' (only if named, or with --long)' if benchmark.slow else ''}")
        return 0
    rows, left_out = run_all(chosen, settings)
    if asked.json is not None:
        asked.json.write_bytes(report.as_json(settings, rows, left_out))
    return 0


def choose(names: Sequence[str], settings: Settings) -> list[Benchmark]:
    """Those of these names or with one of these texts in their name; without any, all but the slow ones."""
    if not names:
        return [benchmark for benchmark in BENCHMARKS if settings.long or not benchmark.slow]
    exact = [benchmark for benchmark in BENCHMARKS if benchmark.name in names]
    parts_of_names = [name for name in names if all(benchmark.name != name for benchmark in BENCHMARKS)]
    return [benchmark for benchmark in BENCHMARKS if benchmark in exact or any(part in benchmark.name for part in parts_of_names)]


def run_all(chosen: Sequence[Benchmark], settings: Settings) -> tuple[list[Row], dict[str, str]]:
    """Run them and print as they come; the rows, and which were skipped and why."""
    rows: list[Row] = []
    left_out: dict[str, str] = {}
    print(f"{report.machine(settings)}\n\n{report.header()}", flush=True)
    for benchmark in chosen:
        try:
            found = benchmark.run(settings)
        except Skipped as reason:
            left_out[benchmark.name] = str(reason)
            print(report.skipped(benchmark.name, str(reason)), flush=True)
            continue
        rows += found
        print("\n".join(map(report.line, found)), flush=True)
    return rows, left_out


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 tools/dev.py bench", description="Benchmarks of actorflow, each beside a yardstick.")
    parser.add_argument(
        "names", nargs="*", metavar="name", help="names, or parts of names, of benchmarks; without any all but the slow ones"
    )
    parser.add_argument("--list", action="store_true", help="list them and run none")
    parser.add_argument("--rounds", type=_rounds, default=Settings().rounds, metavar="N", help="how many rounds (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    parser.add_argument("--long", action="store_true", help="larger sizes, and the slow ones")
    parser.add_argument("--tiny", action="store_true", help="sizes that tell nothing, to see that everything runs")
    parser.add_argument("--peers", action="store_true", help="full engines beside ours, where they can be imported")
    return parser.parse_args(arguments)


def _rounds(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
