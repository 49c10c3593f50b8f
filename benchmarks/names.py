"""Names of loops and scenarios on the command line."""

import argparse
import difflib
import fnmatch


def names_of(known):
    """Return a parser of comma-separated names out of known; "all" is every one, "x*y" those that match."""

    def parse_names(text):
        chosen = []
        for part in text.split(","):
            matches = fnmatch.filter(known, "*" if part == "all" else part)
            if not matches:
                raise argparse.ArgumentTypeError(f"unknown name {part!r}; {_nearest(part, known)}")
            chosen += matches
        return list(dict.fromkeys(chosen))

    return parse_names


def _nearest(name, known):
    """Return the words that lead to the name that was meant."""
    nearest = difflib.get_close_matches(name, known, n=5)
    nearest = nearest or [one for one in known if name.strip("*") and name.strip("*") in one][:5]
    if nearest:
        return f"the nearest: {', '.join(nearest)}"
    return f"known: {', '.join(known)}" if len(known) < 20 else "--list names all"
