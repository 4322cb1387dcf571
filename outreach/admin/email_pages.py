"""The page of an e-mail as it would leave, shown in a frame beside its text."""

from csp.decorators import csp
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from campaigns.admin.pages import require_permission
from campaigns.enums import Channel
from campaigns.models import Step
from campaigns.models.plan import example_values
from campaigns.rules.messages import InvalidText, MissingValue, render
from outreach.channels.letter import write_page

# A mail program reads no style sheet but the e-mail's own; nothing else may load, run, or be sent from here.
POLICY = {
    "default-src": ["'none'"],
    "style-src": ["'unsafe-inline'"],
    "form-action": ["'none'"],
    "frame-ancestors": ["'self'"],
    "sandbox": [],
}


@csp(POLICY)  # type: ignore[arg-type]  # its types know no view with arguments
@xframe_options_sameorigin
@require_safe
def show_email(request: HttpRequest, object_id: int) -> HttpResponse:
    """With example values, as the preview of the text beside it."""
    require_permission(request, "campaigns.view_campaign")
    step = get_object_or_404(Step, pk=object_id, channel=Channel.EMAIL)
    page = write_page(
        subject=_example(step.subject),
        body=_example(step.body),
        caf_name=settings.CAF_NAME,
        way_out=example_values()["lien_opposition"],
    )
    return HttpResponse(page)


def _example(text: str) -> str:
    try:
        return render(text, example_values())
    except (InvalidText, MissingValue):  # said beside it
        return text
