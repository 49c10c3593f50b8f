"""Waiting for the kernel: C headers and their Cython declarations, no Python code.

poller.h holds the contract and chooses the backend; wakeup.h ends a wait from another thread or a signal handler.
The scheduler is the only owner of a poller; everything else asks the scheduler.
"""
