"""« Ce qui attend »: each step of the system with its age, and the fence of sending."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from campaigns.admin.pages import colleague, crumb, render_page, require_permission
from campaigns.models import read_now
from outreach.pending import read_pending
from outreach.reopening import StillClosed, read_fence, reopen_sending
from outreach.rules.pending import late_steps


def show_pending(request: HttpRequest) -> HttpResponse:
    """Read by whoever follows the nights; only counts, nobody's name."""
    require_permission(request, "outreach.view_night")
    now = read_now()
    table = read_pending(now=now)
    return render_page(
        request,
        "settings/pending.html",
        title="Ce qui attend",
        crumbs=[crumb("Réglages", "reglages")],
        rows=table,
        late_count=len(late_steps(table)),
        fence=read_fence(now=now),
        may_reopen=request.user.has_perm("outreach.change_fence"),
    )


@require_POST
def open_fence(request: HttpRequest) -> HttpResponse:
    """Let a restored database send again, once what it had forgotten was given back to it."""
    require_permission(request, "outreach.change_fence")
    try:
        reopen_sending(by=colleague(request), now=read_now())
    except StillClosed as problem:
        messages.error(request, str(problem))
    else:
        messages.success(request, "Les envois sont rouverts.")
    return redirect("admin:pending")
