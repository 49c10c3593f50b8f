# /// script
# dependencies = ["django", "uvicorn>=0.36"]
# ///
"""an asynchronous view, served by uvicorn"""

import django
from checks import check_server, free_port, name_of_the_loop, process
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpResponse
from django.urls import path


async def answer(request):
    return HttpResponse(name_of_the_loop())


urlpatterns = [path("", answer)]

if not settings.configured:
    settings.configure(ROOT_URLCONF=__name__, SECRET_KEY="only for this example", ALLOWED_HOSTS=["127.0.0.1"])
    django.setup()
application = get_asgi_application()

if __name__ == "__main__":
    port = free_port()
    with process("-m", "uvicorn", "django_asgi:application", "--loop", "fastloop:new_event_loop", "--port", str(port)):
        check_server(port)
