"""Lets a page of docs/ link to any file of the repository, as GitHub does.

A link that leaves docs/ becomes one to the repository. "file.py#name" leads to the line that defines that function.
A file or a function that does not exist is a warning, which fails a strict build.
"""

import logging
import posixpath
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"\]\((\.\./[^)\s#]+)(?:#([\w-]+))?\)")
IMAGE = re.compile(r"!\[[^\]]*\]\(\.\./docs/")

log = logging.getLogger("mkdocs.hooks.links")


def on_page_markdown(markdown, page, config, **_):
    def replaced(link):
        path, name = link[1], link[2]
        within = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page.file.src_uri), path))
        if within.startswith("docs/"):
            return f"]({within.removeprefix('docs/')}{f'#{name}' if name else ''})"
        return f"]({config.repo_url}/{_location(within, name, page)})"

    return LINK.sub(replaced, markdown)


def _location(path, name, page):
    """Return the part of the address that names a file or folder, and a line if there is a name."""
    file = ROOT / path
    if not file.exists():
        log.warning(f"{page.file.src_uri}: there is no {path}")
    if file.is_dir():
        return f"tree/main/{path}"
    return f"blob/main/{path}{_line(file, name, page) if name and file.suffix == '.py' else f'#{name}' if name else ''}"


def _line(file, name, page):
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    for number, line in enumerate(lines, 1):
        if re.match(rf"\s*(async )?def {re.escape(name)}\b|\s*class {re.escape(name)}\b", line):
            return f"#L{number}"
    log.warning(f"{page.file.src_uri}: {file.name} does not define {name}")
    return ""
