"""What the tests act with: protocols, peers, connections, servers, files, programs, cases. Plain classes and functions to import.

Whatever needs setting up and tearing down, or the loop under test, is a fixture in a conftest.py.
"""
