"""python -m fastloop: a program that knows nothing of fastloop runs on it.

This is the only part of fastloop that changes classes of others, and only because the user has asked for it by this command.
"""
