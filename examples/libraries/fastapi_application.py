# /// script
# dependencies = ["fastapi", "uvicorn>=0.36"]
# ///
"""an application, served by uvicorn"""

from checks import check_server, free_port, name_of_the_loop, process
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

app = FastAPI()


@app.get("/", response_class=PlainTextResponse)
async def answer() -> str:
    return name_of_the_loop()


if __name__ == "__main__":
    port = free_port()
    with process("-m", "uvicorn", "fastapi_application:app", "--loop", "fastloop:new_event_loop", "--port", str(port)):
        check_server(port)
