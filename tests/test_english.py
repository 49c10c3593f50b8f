"""Finds turns of phrase that a reader must decode, in everything that people read: comments, docstrings, messages and documents.

Each test collects every offender, so one run shows all that must be mended.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ["fastloop", "tests", "benchmarks", "examples", "docs", ".ci", ".github"]
SUFFIXES = {"", ".c", ".dot", ".h", ".in", ".md", ".pxd", ".py", ".pyi", ".pyx", ".toml", ".yml"}

# (a regular expression, in which a space is any space, also the end of a line; what to write instead; a sentence that it finds)
TABLE = [
    (r"st(ands?|ood|anding) (above|among|at|before|behind|beside|here|in(?! for)|there)", "is in, comes before", "It stands in the queue."),
    (r"who(so)?ever", "the caller, the owner", "It belongs to whoever reads it."),
    (r"(is|are|was|were) to be", "must be, should be", "The loop is to be told."),
    (r"to be had", "available", "There is no other to be had."),
    (r"go(es|ing)? on\s\w+ing", "keeps ...ing, still", "The loop goes on running."),
    (r"in vain", "without result", "It waits in vain."),
    (r"dear(er|est)?", "expensive", "A copy is dear."),
    (r"(a?wait\w*|waits? \w+ \w+) awake", "busy-polls", "It waits awake."),
    (r"some (few )?(\d+ |tens? (of )?|hundred )?(\w*seconds|minutes|turns)", "a few, about", "It waits some microseconds."),
    (r"as long as (it|nobody|nothing|only|somebody|there|they)(?! takes?)", "while", "It is held as long as it has work."),
    (r"brings?|brought|bringing", "has, adds", "Python 3.14 brings a list of tasks."),
    (r"(that|which) (is|are) (?-i:none)", "anything else; is not a ...", "A context that is none is refused."),
    (r"unma(k(es?|ing)|de)", "drop, undo", "It unmakes the dict."),
    (r"the own", "its own, local", "The own address is asked for."),
    (r"for ever", "forever", "It waits for ever."),
    (r"(its|their) (likes?|kin)|and kin", "and the like", "call_soon() and its kin"),
    (r"as good as certain(ly)?", "almost certain", "Another one is as good as certain."),
    (r"save (after|for|that|where|when)", "except", "It leaves at once, save where it is held."),
    (r"is said again|said once more", "is repeated", "It is said again."),
    (r"meanwhile\b[^.:;]*\bmeanwhile", "by then, in between", "What came meanwhile was meanwhile read."),
]


# Also where a line ends, and the next one begins with the sign of a comment or of a list.
SPACE = r"(?:[ \t]+|[ \t]*\n[ \t]*(?:(?:#|//|\*|>|-)[ \t]+)?)"


def compiled(phrase):
    return re.compile(rf"\b(?:{phrase.replace(' ', SPACE)})\b", re.I)


PATTERNS = [(compiled(phrase), instead) for phrase, instead, _ in TABLE]


def offenders(text):
    """Each (line number, what was found, what to write instead), in the order of the lines."""
    found = []
    for pattern, instead in PATTERNS:
        for match in pattern.finditer(text):
            found.append((text.count("\n", 0, match.start()) + 1, " ".join(match.group().split()), instead))
    return sorted(found)


def texts():
    """Every file that people write and read, except this one."""
    paths = [path for path in ROOT.iterdir() if path.is_file()]
    paths += [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()]
    paths = [path for path in paths if path.suffix in SUFFIXES and "__pycache__" not in path.parts]
    return sorted(path for path in paths if path != Path(__file__).resolve())


def test_everything_is_written_in_plain_english():
    found = []
    for path in texts():
        text = path.read_text(encoding="utf-8", errors="replace")
        lines = text.splitlines()
        name = path.relative_to(ROOT).as_posix()
        for number, words, instead in offenders(text):
            found.append(f"{name}:{number}: {lines[number - 1].strip()}  [{words}] -> write {instead}")
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(("instead", "sentence"), [row[1:] for row in TABLE], ids=[row[2] for row in TABLE])
def test_each_phrase_of_the_table_is_found(instead, sentence):
    assert instead in [found[2] for found in offenders(sentence)]


def test_a_phrase_is_found_across_the_end_of_a_line():
    assert [number for number, *_ in offenders("# Plain words.\n# What stands\n# in the queue.\n")] == [2]
    assert [number for number, *_ in offenders("/* What stands\n * in the queue. */\n")] == [1]


def test_comparisons_are_no_offenders():
    assert offenders("It takes twice as long as asyncio, and as long as it takes.") == []
