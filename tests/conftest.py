"""What every test shares: how long Hypothesis searches. ACTORFLOW_LONG=1 searches for longer; CI repeats the same examples each time."""

import os

from hypothesis import HealthCheck, settings

_common = {"deadline": None, "print_blob": True, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("default", **_common, derandomize=bool(os.environ.get("CI")))
settings.register_profile("long", **_common, max_examples=5_000, derandomize=False)
settings.load_profile("long" if os.environ.get("ACTORFLOW_LONG") == "1" else "default")
