"""What the tests act with: protocols, peers, connections, files, pollers, programs, cases. Plain classes and functions to import.

Whatever needs setting up and tearing down, or the loop under test, is a fixture in a conftest.py.
"""

import pkgutil

import pytest

# Assertions of the actors say as much as those of the tests.
pytest.register_assert_rewrite(*(f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__)))
