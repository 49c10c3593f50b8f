"""Prints the notes of a release, or says why there can be none. Run it in the top folder, as release.yml does:

    python .ci/release_notes.py v1.2.3

The tag, __version__ in fastloop/__init__.py and the newest section of CHANGELOG.md must name the same version.
"""

import re
import sys
from pathlib import Path

VERSION = r"\d+\.\d+\.\d+"


def sections():
    """The changelog's headings in their order, each with its text."""
    _, *parts = re.split(r"^## +(.+?)\s*$", Path("CHANGELOG.md").read_text(encoding="utf-8"), flags=re.M)
    return dict(zip(parts[::2], (text.strip() for text in parts[1::2])))


def release_notes(tag):
    """Return the changelog's section of the version that the tag names. What does not agree ends the process."""
    if not re.fullmatch(f"v{VERSION}", tag):
        sys.exit(f"The tag {tag!r} is not v and a version, such as v1.2.3.")
    version = tag.removeprefix("v")
    found = re.search(r'^__version__ = "(.+)"$', Path("fastloop", "__init__.py").read_text(encoding="utf-8"), re.M)
    if found is None or found[1] != version:
        sys.exit(f"The tag is {tag}, but fastloop/__init__.py says {found[1] if found else 'nothing'}. Set __version__, then tag anew.")
    changes = sections()
    if changes.pop("Unreleased", ""):
        sys.exit(f"CHANGELOG.md still has lines under Unreleased. Move them to '## {version}'.")
    heading = next(iter(changes), "")
    if not re.fullmatch(rf"{re.escape(version)} \(\d{{4}}-\d\d-\d\d\)", heading):
        sys.exit(f"CHANGELOG.md must begin with '## {version} (YEAR-MONTH-DAY)', but it begins with '## {heading}'.")
    return changes[heading] or sys.exit(f"CHANGELOG.md says nothing under '## {heading}'.")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python .ci/release_notes.py TAG")
    print(release_notes(sys.argv[1]))
