"""What is done to payloads on their way: they are copied (`copies`) and checked against annotations (`checks`)."""

from actorflow.payloads.checks import Check, Mismatch, make_check
from actorflow.payloads.copies import IMMUTABLE, MAX_DEPTH, copy_payload

__all__ = ["IMMUTABLE", "MAX_DEPTH", "Check", "Mismatch", "copy_payload", "make_check"]
