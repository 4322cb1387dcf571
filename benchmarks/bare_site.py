"""Two Django views without a database nor a middleware: the limits of ``benchmarks.receipts``."""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from twilio.request_validator import RequestValidator


@csrf_exempt
def nothing(request: HttpRequest, number: str) -> HttpResponse:
    return HttpResponse(status=204)


@csrf_exempt
def signature(request: HttpRequest, number: str) -> HttpResponse:
    validator = RequestValidator(os.environ["TWILIO_AUTH_TOKEN"])
    url = "http://testserver" + request.get_full_path()
    is_signed = validator.validate(url, request.POST, request.headers.get("X-Twilio-Signature", ""))
    return HttpResponse(status=204 if is_signed else 403)


urlpatterns = [path("nothing/<str:number>/", nothing), path("signature/<str:number>/", signature)]
settings.configure(
    ROOT_URLCONF=__name__, MIDDLEWARE=[], ALLOWED_HOSTS=["*"], SECRET_KEY="benchmark", LOGGING_CONFIG=None
)
application = get_wsgi_application()
