"""Benchmarks of actorflow, each beside a yardstick in the same run: `python3 tools/dev.py bench`.

`measure` says how it is measured; `graphs` holds the workflows, `handwritten` the same work in plain asyncio; every other
module is a family of benchmarks and lists them in `BENCHMARKS`. A target is that of the design; a benchmark without one
is there to be watched. What each figure means is in docs/benchmarks.md."""
