"""What known_differences.toml says: tests that are not run, and tests that are known not to pass, each with its reason."""

import dataclasses
import fnmatch
import pathlib
import sys
import tomllib

RUNNING_PYTHON = "{}.{}".format(*sys.version_info)


@dataclasses.dataclass
class Entry:
    """Tests and the reason that holds for all of them."""

    patterns: list
    reason: str
    is_used: bool = False

    def matches(self, test):
        return any(fnmatch.fnmatchcase(test, pattern) for pattern in self.patterns)


class Expectations:
    """The entries that hold for the running Python."""

    def __init__(self, path):
        with open(path, "rb") as file:
            document = tomllib.load(file)
        self.excluded = self._entries(document, "excluded")
        self.differences = self._entries(document, "difference")
        self.without_loop = self._entries(document, "without_loop")

    @staticmethod
    def _entries(document, kind):
        entries = []
        for table in document.get(kind, []):
            if unknown := table.keys() - {"tests", "pythons", "reason"}:
                raise ValueError(f"unknown keys {sorted(unknown)} in a [[{kind}]] table")
            if RUNNING_PYTHON in table.get("pythons", [RUNNING_PYTHON]):
                entries.append(Entry(table["tests"], table["reason"]))
        return entries

    def exclusion_of(self, test):
        return self._first(self.excluded, test)

    def difference_of(self, test):
        return self._first(self.differences, test)

    def needs_no_loop(self, module):
        return self._first(self.without_loop, module) is not None

    @staticmethod
    def _first(entries, test):
        for entry in entries:
            if entry.matches(test):
                entry.is_used = True
                return entry
        return None


def is_wanted(test, patterns):
    """Tell whether one of patterns (globs, modules, classes or parts of a name; none means everything) names test."""
    return not patterns or any(pattern in test or fnmatch.fnmatchcase(test, pattern) for pattern in patterns)


def default_path():
    return pathlib.Path(__file__).with_name("known_differences.toml")
