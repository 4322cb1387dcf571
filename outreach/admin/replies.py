"""The inbox: ambiguous replies first; STOP is already an opposition when it is read."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db.models import Case, IntegerField, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST

from campaigns.admin.masking import mask_matricule
from campaigns.admin.pages import ReadOnlyAdmin, colleague, find_row, render_page, require_permission
from campaigns.models import read_now
from outreach.admin.badges import reply_badge
from outreach.enums import ReplyClass
from outreach.models import Reply
from outreach.replies import ReplyOfNobody, handle_reply

PER_PAGE = 30


class HandleForm(forms.Form):
    note = forms.CharField(label="Suite donnée", max_length=300, required=False)
    is_opposition = forms.BooleanField(label="C’est un refus : enregistrer une opposition", required=False)


@admin.register(Reply)
class ReplyAdmin(ReadOnlyAdmin):
    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [path("<int:object_id>/traiter/", view(handle), name="handle_reply"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        require_permission(request, "outreach.view_reply")
        shows_all = request.GET.get("toutes") == "1"
        replies = Reply.objects.select_related("allocataire", "touch__campaign", "handled_by")
        if not shows_all:
            replies = replies.filter(handled_at=None)
        rank = Case(When(kind=ReplyClass.AMBIGUOUS, then=Value(0)), default=Value(1), output_field=IntegerField())
        page = Paginator(replies.order_by(rank, "-received_at"), PER_PAGE).get_page(request.GET.get("page"))
        rows = [(reply, reply_badge(reply.kind), _who(reply)) for reply in page]
        return render_page(request, "replies/inbox.html", title="Réponses", rows=rows, page=page, shows_all=shows_all)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        require_permission(request, "outreach.view_reply")
        return redirect("admin:outreach_reply_changelist")


@require_POST
def handle(request: HttpRequest, object_id: int) -> HttpResponse:
    """Mark a reply as handled, with what was done."""
    require_permission(request, "outreach.change_reply")
    reply = find_row(Reply.objects.all(), object_id)
    form = HandleForm(request.POST)
    if form.is_valid():
        try:
            handle_reply(reply=reply, by=colleague(request), now=read_now(), **form.cleaned_data)
        except ReplyOfNobody as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, f"Réponse n° {reply.pk} traitée.")
    return redirect("admin:outreach_reply_changelist")


def _who(reply: Reply) -> str:
    return mask_matricule(reply.allocataire.matricule) if reply.allocataire else "Expéditeur inconnu"
