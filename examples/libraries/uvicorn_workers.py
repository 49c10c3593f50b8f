# /// script
# dependencies = ["uvicorn>=0.36", "httptools"]
# ///
"""the command line, with two worker processes"""

from checks import check_server, free_port, process

port = free_port()
with process("-m", "uvicorn", "checks:application", "--loop", "fastloop:new_event_loop", "--workers", "2", "--port", str(port)):
    check_server(port)
