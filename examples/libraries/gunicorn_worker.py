# /// script
# dependencies = ["gunicorn", "uvicorn-worker>=0.4"]
# ///
"""gunicorn's processes with uvicorn's worker"""

from checks import check_server, free_port, process
from uvicorn_worker import UvicornWorker


class FastloopWorker(UvicornWorker):
    CONFIG_KWARGS = {**UvicornWorker.CONFIG_KWARGS, "loop": "fastloop:new_event_loop"}


if __name__ == "__main__":
    port = free_port()
    worker = "gunicorn_worker.FastloopWorker"
    with process("-m", "gunicorn", "checks:application", "--worker-class", worker, "--bind", f"127.0.0.1:{port}"):
        check_server(port)
