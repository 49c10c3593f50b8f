"""Acts on a module as soon as the program has imported it, so that nothing is imported that the program does not need.

Owns: a finder at the front of sys.meta_path for each module that is still awaited.
Promises: the module is found and loaded as without this file. The action runs once, before the importing code sees the module.
"""

import importlib.util
import sys


def when_imported(name, action):
    """Call action(module) once the module called name is imported: now, if it has been."""
    module = sys.modules.get(name)
    if module is not None:
        action(module)
    else:
        sys.meta_path.insert(0, _Finder(name, action))


class _Finder:
    def __init__(self, name, action):
        self._name = name
        self._action = action

    def find_spec(self, name, path=None, target=None):
        if name != self._name or self not in sys.meta_path:
            return None
        # Not to be asked again by the search below, nor for a second import.
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            sys.meta_path.insert(0, self)
            return None
        spec.loader = _Loader(spec.loader, self._action)
        return spec


class _Loader:
    """The module's own loader, and then the action."""

    def __init__(self, loader, action):
        self._loader = loader
        self._action = action

    def __getattr__(self, name):
        return getattr(self._loader, name)

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        module.__loader__ = module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._action(module)
