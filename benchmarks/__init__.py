"""Event loops measured against each other: python -m benchmarks --help. README.md says how, and what is not claimed."""


class Failure(Exception):
    """Something cannot be measured; the text is the whole reason, for the user to read."""
