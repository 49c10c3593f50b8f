"""Bytes and the kernel: system calls, addresses and operations on raw sockets. Hot; knows no protocol."""
