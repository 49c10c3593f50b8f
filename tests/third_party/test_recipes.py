"""The programs behind docs/recipes.md: each starts the real server or tool on fastloop and checks that it runs there."""

import importlib.metadata
import os

import pytest
from packaging.requirements import Requirement

from actors.programs import run_python
from third_party.compatibility import MISSING_SERVER, PROGRAMS, dependencies

RECIPES = [
    "aiohttp_server_and_client",
    "anyio_tests",
    "django_asgi",
    "fastapi_application",
    "granian_server",
    "gunicorn_worker",
    "hypercorn_server",
    "jupyter_kernel",
    "nest_asyncio_runs",
    "pytest_asyncio_tests",
    "sanic_server",
    "starlette_application",
    "tornado_server",
    "uvicorn_workers",
]


def missing(name):
    """The program's requirements that are not installed here."""
    for text in dependencies(name):
        requirement = Requirement(text)
        try:
            found = requirement.specifier.contains(importlib.metadata.version(requirement.name), prereleases=True)
        except importlib.metadata.PackageNotFoundError:
            found = False
        if not found:
            yield text


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_runs_on_fastloop(name):
    if needed := " ".join(missing(name)):
        pytest.skip(f"not installed (pip install {needed})")
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    outcome = run_python(f"{name}.py", folder=PROGRAMS, env=environment)
    if outcome.returncode == MISSING_SERVER:
        pytest.skip(outcome.stdout)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
