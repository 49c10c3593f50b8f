"""What CPython's C API does not offer, or spells differently in each version. Knows nothing of loops.

Owns: nothing but the pools of dead objects.
Used by: every layer to its right on the map.
"""
