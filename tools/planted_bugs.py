"""Plant bugs in the ring, one at a time, and see whether tests/messaging finds each.

    python tools/planted_bugs.py               all of them
    python tools/planted_bugs.py fifo token    those with one of these words in their name
    python tools/planted_bugs.py --model       against the model alone, which must not lean on the tables of promises

A bug is an exact text and what stands in its place, in a copy of the package; a text that is not there exactly once is an
error, as the bug would then test nothing. The unchanged copy must pass. Exit status 1 if a bug survives."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
NEEDED = ("pyproject.toml", "actorflow", "tests/conftest.py", "tests/messaging")
LIMIT_S = 60


class Bug(NamedTuple):
    """`text` is in `module` of actorflow/messaging exactly once; the bug is `instead` in its place."""

    module: str
    name: str
    text: str
    instead: str


BUGS = """\
ring.py  expiry: one tick late
- if lease.expires_at <= now]
+ if lease.expires_at < now]

ring.py  expiry: the living are asked about a tick early
- if lease.expires_at <= now]
+ if lease.expires_at <= now + 1]

ring.py  expiry: a lease that is not over ends
-             due = [lease for lease in self._leases() if lease.expires_at <= now]
+             now += 1
+             due = [lease for lease in self._leases() if lease.expires_at <= now]

ring.py  expiry: liveness is not asked about
- if lease.holder is None or not alive(lease.holder)]
+ ]

ring.py  expiry: a lease nobody vouches for is alive
- if lease.holder is None or not
+ if lease.holder is not None and not

ring.py  expiry: what happened while it asked is overlooked
- if slot < 0 or lease.expires_at > now:
+ if slot < 0:

ring.py  expiry: the lease lasts a tick less
- now, now + self._duration, holder
+ now, now + self._duration - 1, holder

ring.py  redelivery: one delivery too many
- if redelivery > self._max_redeliveries:
+ if redelivery > self._max_redeliveries + 1:

ring.py  redelivery: one delivery too few
- if redelivery > self._max_redeliveries:
+ if redelivery >= self._max_redeliveries:

ring.py  redelivery: the delay uses the old count
- self._redelivery_delay * redelivery,
+ self._redelivery_delay * (redelivery - 1),

ring.py  redelivery: the delay has no cap
- min(self._redelivery_delay * redelivery, self._redelivery_cap)
+ self._redelivery_delay * redelivery

ring.py  redelivery: a dead message stays
- self._take_out(slot)
-                     dead
+ dead

ring.py  redelivery: the last delivery before a crash is repeated
- if record.leased and attempt > self
+ if record.leased and attempt - 1 > self

ring.py  token: used again after a renewal
- lease.renewals += 1
+ lease.renewals += 1
+             self._issued -= 1

ring.py  token: begins anew with clear
- Slots.__init__(self, self.capacity)
+ Slots.__init__(self, self.capacity)
+             self._issued = 0

ring.py  stale: its acknowledgement is accepted
- if self._slots[slot] is not lease:
+ if self._slots[slot] is None:

ring.py  stale: an acknowledgement counts twice
-             self._slots[slot] = None
-             end
+             end

slots.py  stale: its release is accepted
- return slot if self._slots[slot] is lease else -1
+ return slot if type(self._slots[slot]) is RingLease else -1

ring.py  stale: renewal revives an ended lease
-             if self._slot_of(lease) < 0:
+             if self._slot_of(lease) < 0:
+                 lease.expires_at = now + self._duration

ring.py  stale: renewal says it held
- self._slot_of(lease) < 0:
-                 return False
+ self._slot_of(lease) < 0:
+                 return True

ring.py  renewal: the same expiry
- lease.expires_at = now + self._duration
+ lease.expires_at = lease.taken_at + self._duration

slots.py  fifo: last in, first out
- late.shown[0][0] < self._arrivals[slot]
+ late.shown[0][0] > self._arrivals[slot]

slots.py  fifo: what comes back goes first
- (slot < 0 or late.shown[0][0] < self._arrivals[slot])
+ True

slots.py  fifo: what comes back goes last
- (slot < 0 or late.shown[0][0] < self._arrivals[slot])
+ slot < 0

slots.py  fifo: what comes back has a new turn
- self._put_late(visible_at, self._arrivals[slot], slot)
+ self._arrived = self._arrivals[slot] = self._arrived + 1
+         self._put_late(visible_at, self._arrivals[slot], slot)

late.py  fifo: what is shown goes by its instant
- heappush(self.shown, heappop(hidden)[1:])
+ visible_at, _, slot = heappop(hidden)
+             heappush(self.shown, (visible_at, slot))

slots.py  slots: growth loses the order
- for position in range(self._head, self._tail)]
-         length
+ for position in sorted(range(self._head, self._tail), key=self._mask.__and__)]
+         length

slots.py  slots: growth loses a message
- range(self._head, self._tail)]
-         length
+ range(self._head + 1, self._tail)]
+         length

slots.py  slots: room beyond the capacity
- larger = min(max(_SECOND_SIZE, 2 * size), self.capacity)
+ larger = max(_SECOND_SIZE, 2 * size) if size < self.capacity else size

slots.py  slots: the place of a superseded message leaks
-         self._order[self._end & self._mask] = slot
-         self._end += 1

ring.py  slots: the message that is gone is kept
-             self._slots[slot] = None
-             end
+             self._slots[slot] = lease.envelope
+             end

slots.py  count: leased ones are left out
- return len(self._slots) - (self._end - self._tail)
+ return len(self._slots) - (self._end - self._tail) - self._leased()

slots.py  count: hidden ones count as leased
-  - (0 if self._late is None else len(self._late))

late.py  visibility: one tick early
- hidden[0][0] <= now
+ hidden[0][0] <= now + 1

late.py  visibility: one tick late
- hidden[0][0] <= now
+ hidden[0][0] < now

ring.py  visibility: an offer's instant is ignored
- if envelope.visible_at > 0 or envelope.dedup is not None:
+ if envelope.dedup is not None:

slots.py  visibility: a replacement's instant is ignored
- if envelope.visible_at > 0:
+ if envelope.visible_at > 0 and envelope.dedup is None:

late.py  visibility: next_visible gives the latest
- return self.hidden[0][0] if
+ return self.hidden[-1][0] if

ring.py  release: keeps the attempt
- lease.envelope.attempt + count)
+ lease.envelope.attempt)

ring.py  release: counts when it should not
- lease.envelope.attempt + count)
+ lease.envelope.attempt + 1)

slots.py  release: changes what the last holder reads
- self._slots[slot] = changed(envelope, visible_at=visible_at, attempt=attempt)
+ envelope.visible_at, envelope.attempt, self._slots[slot] = visible_at, attempt, envelope

ring.py  replace: loses the message when full
-             self._place(envelope)
-             return older
+             if self._count() + 1 < self.capacity:
+                 self._place(envelope)
+             return older

ring.py  replace: leaves the older one
-             older = self._take_out(slot)
+             older = envelope_of(self._slots[slot])
+             self._tail == self._end and self._grow()

ring.py  replace: a key is never forgotten
- if self._keys is not None:
-                 self._forget_key
+ if self._keys is None:
+                 self._forget_key

slots.py  types: the filter is not looked at
- if types is not None:
+ if types is now:

slots.py  types: the newest that fits
- slot = min(fitting,
+ slot = max(fitting,

slots.py  types: what came back is passed over
-         if self._late is not None:
-             visible += [entry[-1] for entry in self._late.shown]

slots.py  types: those passed over lose their order
- order = self._order[start:] + self._order[:start]
+ order = self._order[start:] + self._order[:start]
+         ready = order[: self._tail - self._head]
+         order[: len(ready)] = ready[ready.index(slot) :] + ready[: ready.index(slot)]

slots.py  types: subclasses too
- if id(type(cast(Envelope, self._slots[slot]).payload)) in wanted]
+ if isinstance(self._slots[slot].payload, types)]

ring.py  restore: over live messages
-             if self._count():
-                 raise
+             if self.capacity == self._count():
+                 raise

ring.py  restore: what was leased keeps its attempt
- attempt=attempt + 1) if
+ attempt=attempt) if

ring.py  lock: an offer does without
-             lock.acquire()
-             if self._tail
+             lock = RLock()
+             lock.acquire()
+             if self._tail

ring.py  lock: an interrupt leaves it held
-         try:
-             lock.acquire()
-             try:  #
+         lock.acquire()
+         try:
+             try:  #
"""

BEYOND_THE_MODEL = (
    "expiry: the living are asked about a tick early",
    "expiry: what happened while it asked is overlooked",
    "lock: an offer does without",
    "lock: an interrupt leaves it held",
)
"""They need a second thread, or a question that does something; the model asks one call at a time."""


class Result(NamedTuple):
    """`by` is the first test that failed."""

    killed: bool
    by: str
    seconds: float


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("words", nargs="*", help="only bugs with one of these words in their name")
    parser.add_argument("--model", action="store_true", help="run the model alone")
    options = parser.parse_args(arguments)
    bugs = [bug for bug in bugs_of(BUGS) if not options.words or any(word in bug.name for word in options.words)]
    if options.model:
        bugs = [bug for bug in bugs if bug.name not in BEYOND_THE_MODEL]
    planted = [plant(bug) for bug in bugs]  # all of them first: a text that has gone is found at once
    tests = "tests/messaging/test_ring_model.py" if options.model else "tests/messaging"
    began = time.perf_counter()
    survived = 0
    with tempfile.TemporaryDirectory(prefix="planted-") as directory, ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        sound = attempt(None, "", Path(directory), tests)
        if sound.killed:
            print(f"the tests fail on the unchanged package, so they say nothing: {sound.by}")
            return 2
        print(f"the unchanged package passes in {sound.seconds:.1f} s")
        results = pool.map(lambda bug, source: attempt(bug, source, Path(directory), tests), bugs, planted)
        for bug, result in zip(bugs, results, strict=True):
            survived += not result.killed
            print(f"{'killed  ' if result.killed else 'SURVIVED'} {result.seconds:5.1f} s  {bug.name:60} {result.by}", flush=True)
    print(f"{len(bugs) - survived} of {len(bugs)} killed in {time.perf_counter() - began:.0f} s")
    return 1 if survived else 0


def bugs_of(text: str) -> list[Bug]:
    """Paragraphs of module and name, then lines that begin with "- " (what is there) and "+ " (what to put in its place)."""
    found = []
    for paragraph in text.strip().split("\n\n"):
        heading, *lines = paragraph.split("\n")
        module, name = heading.split(".py  ", 1)
        there, instead = ("\n".join(line[2:] for line in lines if line.startswith(sign)) for sign in ("- ", "+ "))
        found.append(Bug(module, name, there, instead))
    return found


def plant(bug: Bug) -> str:
    """The source of the bug's module with the bug in it."""
    source = module(bug, ROOT).read_text(encoding="utf-8")
    if source.count(bug.text) != 1:
        raise SystemExit(f"bug {bug.name!r}: its text is {source.count(bug.text)} times in {bug.module}.py, not once: {bug.text!r}")
    changed = source.replace(bug.text, bug.instead)
    try:
        compile(changed, f"{bug.module}.py", "exec")
    except SyntaxError as error:
        raise SystemExit(f"bug {bug.name!r} cannot be compiled: {error}") from None
    return changed


def module(bug: Bug, root: Path) -> Path:
    return root / "actorflow" / "messaging" / f"{bug.module}.py"


def attempt(bug: Bug | None, source: str, directory: Path, tests: str) -> Result:
    """Run the tests on a copy of the package that has this bug."""
    copy = Path(tempfile.mkdtemp(dir=directory))
    for name in NEEDED:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, copy / name)
    if bug is not None:
        module(bug, copy).write_text(source, encoding="utf-8")
    began = time.perf_counter()
    killed, by = run(copy, tests)
    seconds = time.perf_counter() - began
    shutil.rmtree(copy)
    return Result(killed, by, seconds)


def run(copy: Path, tests: str) -> tuple[bool, str]:
    """Whether the tests fail, and the first that did. Hypothesis need not shrink what it finds: that it fails is enough."""
    environment = os.environ | {
        "PYTHONPATH": str(copy),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # half of the time would go to plugins nobody needs here
        "ACTORFLOW_NO_SHRINKING": "1",
    }
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "pytest_timeout", "--tb=no", "-rfE", tests]
    try:
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        return True, f"it hangs ({LIMIT_S} s)"
    if done.returncode not in (0, 1):
        raise SystemExit(f"pytest ended with status {done.returncode}:\n{done.stdout}{done.stderr}")
    failed = re.search(r"^(?:FAILED|ERROR) \S*?([\w.]+::\S+)", done.stdout, re.MULTILINE)
    return done.returncode == 1, failed[1] if failed else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
