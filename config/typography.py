"""French spaces in every page: those before : ; ! ? » % €, after « and n°, and around the h of an hour do not break.

Here rather than in each sentence: pages are made of templates, enums, stories' refusals and Django's own words.
"""

import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

NO_BREAK, NARROW = "\N{NO-BREAK SPACE}", "\N{NARROW NO-BREAK SPACE}"
# Tags keep their attributes; what is typed in a form comes back as it was.
_KEPT = r"(?P<kept><(?P<name>script|style|textarea)\b.*?</(?P=name)>|<[^>]*>)"
_WIDE = r"(?P<wide>(?<=[«°]) | (?=[:»](?:\W|$))|(?<=\d) (?=h\b)|(?<=\d h) (?=\d))"
_THIN = r"(?P<thin> (?=[;!?%€](?:\W|$)))"
_PLACES = re.compile(f"{_KEPT}|{_WIDE}|{_THIN}", re.DOTALL | re.IGNORECASE)


def space_french(page: str) -> str:
    """The same HTML with its French spaces unbreakable, outside tags, scripts and what is typed in forms."""
    return _PLACES.sub(_replace, page)


def _replace(match: re.Match[str]) -> str:
    return match["kept"] or (NO_BREAK if match["wide"] else NARROW)


class FrenchSpaces:
    """Middleware, the closest to the pages."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if isinstance(response, HttpResponse) and response.get("Content-Type", "").startswith("text/html"):
            response.content = space_french(response.content.decode()).encode()
        return response
