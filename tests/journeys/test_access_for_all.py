"""Every main page: nothing axe objects to in both themes, no sideways scrolling, a keyboard that gets everywhere."""

from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse

from campaigns.enums import BadDestinationReason, CampaignStatus, Channel
from campaigns.models import (
    BadDestination,
    Campaign,
    DifferenceKind,
    ImportedList,
    ImportStatus,
    PopulationImport,
    Programme,
    Segment,
    User,
    read_now,
)
from outreach.enums import NightStatus, ReplyClass, TouchStatus
from outreach.models import Call, CallHandover, CallResultImport, Night, NightStep, Reply, Touch
from outreach.roles import SUPERVISEUR
from tests.factories import (
    make_audience,
    make_campaign,
    make_list,
    make_member,
    make_running_campaign,
    make_segment,
    step_values,
)
from tests.journeys.pages import Visitor
from tests.pages import make_colleague

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]


def furnish(user: User) -> dict[str, str]:
    """A row of each kind; returns the addresses of the main pages."""
    now = read_now()
    submitted = make_campaign(status=CampaignStatus.SUBMITTED, criteria={"all": []}, expected_size=1)
    campaign = make_running_campaign(
        expected_size=2, now=now, steps=[step_values(), step_values(Channel.CALL, position=2, label="Appel")]
    )
    touch = contact(campaign, user)
    Reply.objects.create(
        allocataire=touch.allocataire, touch=touch, sender_hash="x", provider="simulateur", provider_ref="1",
        body="Arrêtez ?", kind=ReplyClass.AMBIGUOUS, received_at=now,
    )  # fmt: skip
    night = Night.objects.create(on=now.date(), started_at=now, finished_at=now, status=NightStatus.PROBLEM)
    NightStep.objects.create(
        night=night, position=1, name="freeze", label="Geler", started_at=now, counts={"ciblés": 3}, problem="Plein."
    )
    Programme.objects.create(name="Vie maritale", code="vie-maritale").campaigns.add(campaign)
    draft = make_campaign(steps=[step_values(Channel.EMAIL)])
    come_from_outside(touch, user)
    return addresses(draft, submitted, campaign, night, touch)


def come_from_outside(touch: Touch, user: User) -> None:
    """A list with a line that was not taken, a lot of calls, results, an address to correct."""
    now = read_now()
    record = PopulationImport.objects.create(
        file_name="extrait.csv", started_at=now, status=ImportStatus.TO_CONFIRM, problem="Trop de lignes rejetées.",
        read_count=2, rejected_count=1, changes={"mobile": 1},
    )  # fmt: skip
    record.rejected_lines.create(line=2, column="nom", value_class="vide", reason="Le nom manque.")
    record.differences.create(
        allocataire=touch.allocataire, line=3, kind=DifferenceKind.UPDATED, before={"mobile": ""}, after={"mobile": "x"}
    )
    make_list(touch.allocataire, unknown_count=1, rejected=[[3, "matricule", "Ce matricule n’est pas connu."]])
    CallHandover.objects.create(by=user, at=now, until=now + timedelta(hours=2), call_count=1)
    CallResultImport.objects.create(
        file_name="resultats.csv", imported_at=now, read_count=1, rejected_count=1,
        rejected=[{"line": 2, "column": "resultat", "reason": "Ce résultat est inconnu."}],
    )  # fmt: skip
    BadDestination.objects.create(
        allocataire=touch.allocataire, channel=Channel.SMS, reason=BadDestinationReason.UNKNOWN, since=now,
        destination_hash="x",
    )  # fmt: skip


def contact(campaign: Campaign, user: User) -> Touch:
    """An uncertain SMS, and a call in the hands of ``user``."""
    now = read_now()
    audience = make_audience(campaign, targeted_count=2, retained_count=1)
    make_member(audience, exclusion="PRESSION")
    member = make_member(audience)
    sms, call = [
        Touch.objects.create(
            member=member, step=step, campaign=campaign, audience=audience, allocataire=member.allocataire,
            channel=step.channel, status=status, due_at=now, closes_at=now, expires_at=now + timedelta(days=5),
            status_at=now,
        )
        for step, status in zip(
            campaign.steps.order_by("position"), [TouchStatus.UNCONFIRMED, TouchStatus.PLANNED], strict=True
        )
    ]  # fmt: skip
    Call.objects.create(touch=call, listed_on=now.date(), held_by=user, held_until=now + timedelta(minutes=20))
    return sms


def addresses(draft: Campaign, submitted: Campaign, running: Campaign, night: Night, touch: Touch) -> dict[str, str]:
    names = {
        "today": ("index", ()),
        "campaigns": ("campaigns_campaign_changelist", ()),
        "new campaign": ("campaigns_campaign_add", ()),
        "draft": ("campaigns_campaign_change", (draft.pk,)),
        "submitted": ("campaigns_campaign_change", (submitted.pk,)),
        "confirmation": ("campaign_move", (submitted.pk, "approuver")),
        "simulation": ("campaign_simulation", (draft.pk,)),
        "essai": ("campaign_trials", (draft.pk,)),
        "audience": ("campaign_audience", (running.pk,)),
        "life": ("campaign_life", (running.pk,)),
        "segments": ("campaigns_segment_changelist", ()),
        "segment": ("campaigns_segment_change", (draft.segment_id,)),
        "plans": ("campaigns_plan_changelist", ()),
        "plan": ("campaigns_plan_change", (draft.plan_id,)),
        "calls": ("outreach_call_changelist", ()),
        "replies": ("outreach_reply_changelist", ()),
        "bilans": ("outreach_outcome_changelist", ()),
        "bilan": ("campaign_bilan", (running.pk,)),
        "programme": ("programme_bilan", ("vie-maritale",)),
        "allocataires": ("campaigns_allocataire_changelist", ()),
        "allocataire": ("campaigns_allocataire_change", (touch.allocataire_id,)),
        "why": ("explain_allocataire", (touch.allocataire_id,)),
        "timeline": ("person_timeline", (touch.allocataire_id,)),
        "pressure": ("campaigns_contactfact_changelist", ()),
        "export": ("export_audience", (touch.audience_id,)),
        "settings": ("reglages", ()),
        "pauses": ("pauses", ()),
        "nights": ("outreach_night_changelist", ()),
        "night": ("outreach_night_change", (night.pk,)),
        "uncertain": ("outreach_touch_changelist", ()),
        "import": ("outreach_regularisationimport_add", ()),
        **what_comes_from_outside(),
        "components": ("composants", ()),
    }
    return {name: reverse(f"admin:{url}", args=args) for name, (url, args) in names.items()}


def what_comes_from_outside() -> dict[str, tuple[str, tuple[int, ...]]]:
    """Addresses of what others send in, and of what waits."""
    return {
        "pending": ("pending", ()),
        "quarantine": ("quarantine", ()),
        "to correct": ("campaigns_baddestination_changelist", ()),
        "lists": ("campaigns_importedlist_changelist", ()),
        "new list": ("campaigns_importedlist_add", ()),
        "list": ("campaigns_importedlist_change", (ImportedList.objects.get().pk,)),
        "columns kept": ("column_mappings", ()),
        "population": ("campaigns_populationimport_changelist", ()),
        "entrust": ("outreach_callhandover_add", ()),
        "entrusted": ("outreach_callhandover_change", (CallHandover.objects.get().pk,)),
        "results": ("outreach_callresultimport_change", (CallResultImport.objects.get().pk,)),
        "import to confirm": ("campaigns_populationimport_change", (PopulationImport.objects.get().pk,)),
        "differences": ("population_import_differences", (PopulationImport.objects.get().pk,)),
        "account": ("campaigns_user_change", (User.objects.earliest("pk").pk,)),
        "new account": ("campaigns_user_add", ()),
        "new programme": ("campaigns_programme_add", ()),
        "history": ("campaigns_segment_history", (Segment.objects.earliest("pk").pk,)),
        "removal": ("campaigns_segment_delete", (make_segment(name="Sans usage").pk,)),
        "password": ("password_change", ()),
        "looks": ("campaigns_accesslog_changelist", ()),
        "oppositions": ("campaigns_opposition_changelist", ()),
        "system": ("systeme", ()),
    }


def a_superviseur_who_also_develops() -> User:
    user = make_colleague(SUPERVISEUR)
    user.is_superuser = True
    user.save()
    return user


def objections(visitor: Visitor) -> list[str]:
    found = Axe().run(visitor.page).response["violations"]
    return [f"{each['id']}: {node['html'][:160]}" for each in found for node in each["nodes"]]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_objects_to_nothing(auditor: Visitor, theme: str) -> None:
    user = a_superviseur_who_also_develops()
    pages = furnish(user)
    auditor.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    auditor.goes_to("/login/")
    found = {"login": objections(auditor)}
    auditor.signs_in(user)
    for name, address in pages.items():
        found[name] = objections(auditor.goes_to(address))
    assert {name: problems for name, problems in found.items() if problems} == {}


def test_no_page_scrolls_sideways(visitor: Visitor) -> None:
    user = a_superviseur_who_also_develops()
    pages = furnish(user)
    visitor.signs_in(user)
    wide = {}
    for width in (320, 375, 768, 1920):
        visitor.page.set_viewport_size({"width": width, "height": 800})
        for name, address in pages.items():
            if extra := visitor.goes_to(address).overflow:
                wide[f"{name} at {width}"] = extra
    assert wide == {}


def test_on_a_phone_no_table_hides_its_figures(visitor: Visitor) -> None:
    """A column beyond the edge of a card is not looked for: each row is read as a little card instead."""
    user = a_superviseur_who_also_develops()
    pages = furnish(user)
    visitor.signs_in(user)
    visitor.page.set_viewport_size({"width": 320, "height": 800})
    count = "[...document.querySelectorAll('.av-scroll')].filter(e => e.scrollWidth > e.clientWidth + 1).length"
    names = ("import to confirm", "differences", "list", "segment", "simulation", "audience", "pressure", "allocataire")
    assert {name: visitor.goes_to(pages[name]).page.evaluate(count) for name in names} == dict.fromkeys(names, 0)


def test_the_keyboard_skips_to_the_content_and_is_seen(visitor: Visitor) -> None:
    visitor.signs_in(make_colleague(SUPERVISEUR))
    visitor.page.keyboard.press("Tab")
    assert visitor.focused.inner_text() == "Passer au contenu principal"
    visitor.page.keyboard.press("Enter")
    assert visitor.focused.get_attribute("id") == "content-start"
    visitor.page.keyboard.press("Tab")
    outline = visitor.focused.evaluate("e => getComputedStyle(e).outlineStyle + getComputedStyle(e).outlineWidth")
    assert outline == "solid3px"


def test_the_theme_is_chosen_by_the_person_and_remembered(visitor: Visitor) -> None:
    visitor.signs_in(make_colleague(SUPERVISEUR))
    background = "getComputedStyle(document.body).backgroundColor"
    light = visitor.page.evaluate(background)
    toggle = visitor.page.locator("button.theme-toggle")
    seen = set()
    for _ in range(3):
        toggle.click()
        seen.add(visitor.page.evaluate(background))
    assert len(seen) == 2
    toggle.click()
    chosen = visitor.page.evaluate(background)
    visitor.page.reload()
    assert visitor.page.evaluate(background) == chosen
    assert light in seen
