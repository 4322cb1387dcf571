"""The call desk: one call at a time, its script, its result."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST

from campaigns.admin.masking import mask_matricule, mask_phone
from campaigns.admin.pages import ReadOnlyAdmin, colleague, render_page, require_permission
from campaigns.models import AccessLog, User, read_now
from outreach.call_desk import CallNotHeld, record_call_result, release_call, take_next_call
from outreach.enums import CallResult
from outreach.models import Call
from outreach.texts import write_script

DESK = "admin:outreach_call_changelist"


class ResultForm(forms.Form):
    call = forms.IntegerField(widget=forms.HiddenInput)
    result = forms.ChoiceField(choices=CallResult.choices)
    minutes = forms.IntegerField(label="Durée (minutes)", min_value=0, max_value=240, required=False)
    note = forms.CharField(label="Note", max_length=500, required=False)

    def clean_minutes(self) -> int:
        return self.cleaned_data["minutes"] or 0


@admin.register(Call)
class CallAdmin(ReadOnlyAdmin):
    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("suivant/", view(take_call), name="take_call"),
            path("numero/", view(show_number), name="show_number"),
            path("resultat/", view(record_result), name="record_call_result"),
            path("rendre/", view(give_back), name="release_call"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        require_permission(request, "outreach.view_call")
        return _show_desk(request)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        require_permission(request, "outreach.view_call")
        return redirect(DESK)


@require_POST
def take_call(request: HttpRequest) -> HttpResponse:
    """Take the next call of the list, for oneself alone."""
    require_permission(request, "outreach.add_callattempt")
    if take_next_call(agent=colleague(request), now=read_now()) is None:
        messages.info(request, "Aucun appel à passer maintenant. D’autres seront à essayer plus tard.")
    return redirect(DESK)


@require_POST
def show_number(request: HttpRequest) -> HttpResponse:
    """Show the number of the call in hand, after writing who saw it."""
    require_permission(request, "outreach.add_callattempt")
    call = _held(colleague(request))
    if call is None:
        return _no_longer_held(request)
    person = call.touch.allocataire
    AccessLog.objects.create(
        by=colleague(request), at=read_now(), action="numéro d’appel", allocataire=person, detail=f"appel n° {call.pk}"
    )
    return _show_desk(request, is_revealed=True)


@require_POST
def record_result(request: HttpRequest) -> HttpResponse:
    """Write what the call gave; the next one can be taken."""
    require_permission(request, "outreach.add_callattempt")
    call = _held(colleague(request))
    form = ResultForm(request.POST)
    if not form.is_valid():
        return _show_desk(request, form=form)
    if call is None or call.pk != form.cleaned_data.pop("call"):
        return _no_longer_held(request)
    try:
        record_call_result(call=call, agent=colleague(request), now=read_now(), **form.cleaned_data)
    except CallNotHeld as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"Appel n° {call.pk} : {CallResult(form.cleaned_data['result']).label}.")
    return redirect(DESK)


@require_POST
def give_back(request: HttpRequest) -> HttpResponse:
    """Put the call in hand back on the list."""
    require_permission(request, "outreach.add_callattempt")
    call = _held(colleague(request))
    if call is None:
        return _no_longer_held(request)
    try:
        release_call(call=call, agent=colleague(request), now=read_now())
    except CallNotHeld:  # taken by somebody else while this page was open
        return _no_longer_held(request)
    return redirect(DESK)


def _show_desk(request: HttpRequest, *, is_revealed: bool = False, form: ResultForm | None = None) -> HttpResponse:
    call = _held(colleague(request))
    context: dict[str, Any] = {
        "title": "Appels",
        "call": call,
        "waiting": Call.objects.waiting(read_now()).count(),
        "form": form,
    }
    if call:
        person = call.touch.allocataire
        number = call.touch.destination or person.landline or person.mobile
        context |= {
            "person": person,
            "masked": mask_matricule(person.matricule),
            "number": _spaced(number) if is_revealed else mask_phone(number),
            "is_revealed": is_revealed,
            "script": _script(call, is_revealed=is_revealed),
            "attempts": call.attempts.select_related("by"),
            "results": CallResult.choices,
        }
    return render_page(request, "calls/desk.html", **context)


def _held(user: User) -> Call | None:
    calls = Call.objects.select_related("touch__allocataire", "touch__step", "touch__campaign")
    return calls.held(user, read_now()).first()


def _script(call: Call, *, is_revealed: bool) -> str:
    """The step's text for this person, her name only once it was asked for."""
    person = dict(vars(call.touch.allocataire))
    if not is_revealed:
        person |= {"first_name": "[prénom]", "last_name": "[nom]"}
    return write_script(step=call.touch.step, person=person)


def _spaced(number: str) -> str:
    """+33612345678 → 06 12 34 56 78."""
    national = "0" + number[3:] if number.startswith("+33") else number
    return " ".join(national[at : at + 2] for at in range(0, len(national), 2))


def _no_longer_held(request: HttpRequest) -> HttpResponse:
    messages.error(request, "Cet appel n’est plus entre vos mains. Prenez l’appel suivant.")
    return redirect(DESK)
