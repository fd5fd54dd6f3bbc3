"""What is public is what `__all__` of a package's `__init__` lists: all of it can be imported, and nothing public is left out."""

import importlib
import types
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "actorflow"
PACKAGES = sorted(".".join(path.parent.relative_to(PACKAGE.parent).parts) for path in PACKAGE.rglob("__init__.py"))


def test_the_package_lists_its_public_names():
    assert importlib.import_module("actorflow").__all__


@pytest.mark.parametrize("name", PACKAGES)
def test_every_listed_name_can_be_imported_and_is_listed_once(name):
    package = importlib.import_module(name)
    listed = getattr(package, "__all__", [])
    assert [item for item in listed if not hasattr(package, item)] == []
    assert sorted(listed) == sorted(set(listed))
    assert [item for item in listed if item.startswith("_") and item != "__version__"] == []


@pytest.mark.parametrize("name", PACKAGES)
def test_every_public_name_is_listed(name):
    package = importlib.import_module(name)
    listed = set(getattr(package, "__all__", []))

    def comes_by_itself(value):
        """A module of the package, there because something imported it, or what `from __future__` leaves behind."""
        own = isinstance(value, types.ModuleType) and value.__name__.startswith("actorflow.")
        return own or type(value).__module__ == "__future__"

    public = {item for item, value in vars(package).items() if not item.startswith("_") and not comes_by_itself(value)}
    assert public - listed == set()
