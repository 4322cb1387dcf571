"""What made an exclusion: which opposition and when, which contacts filled the cap, which address is missing.

Read from today’s rows as they stood at the freeze; the file of the population itself is today’s.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from campaigns.enums import CONTROL_ARM, Channel, Exclusion, FactState
from campaigns.models import Allocataire, Audience, BadDestination, Campaign, ContactFact, Member, Opposition
from campaigns.opposition_journal import hash_destination
from campaigns.rules.contactability import arm_channels
from campaigns.rules.explanations import explain_cap, say_day
from campaigns.rules.masking import mask_email, mask_phone
from campaigns.rules.pressure import LONG, Contact, Limits


@dataclass(frozen=True)
class Case:
    """A person left out of a campaign at an instant. ``audience``: None when nothing was frozen (a simulation)."""

    person: Allocataire
    campaign: Campaign
    at: datetime
    audience: Audience | None = None

    @property
    def channels(self) -> list[str]:
        arms = [arm["code"] for arm in self.campaign.arms]
        by_arm = arm_channels(arms, self.campaign.steps.planned().values_list("arm", "channel"))
        return sorted(frozenset[str]().union(*by_arm.values()))


def find_causes(case: Case, exclusion: str) -> list[str]:
    """French sentences, each with its date where there is one; empty when nothing of it is left to be read."""
    finder = _FINDERS[Exclusion(exclusion)]
    return finder(case)


def _deceased(case: Case) -> list[str]:
    return [f"Décès le {say_day(case.person.deceased_on)}."]


def _closed(case: Case) -> list[str]:
    return [f"Dossier clos le {say_day(case.person.closed_on)}."]


def _guardianship(_case: Case) -> list[str]:
    return ["Le fichier signale une mesure de protection."]


def _opposed(case: Case) -> list[str]:
    hers = Q(allocataire=case.person) | Q(allocataire=None, destination_hash__in=_hashes(case.person))
    standing = Q(lifted_at=None) | Q(lifted_at__gt=case.at)
    found = Opposition.objects.filter(hers, standing, recorded_at__lte=case.at, channel__in=["", *case.channels])
    return [say_opposition(row) for row in found.filter(theme__in=["", case.campaign.theme]).order_by("pk")]


def _hashes(person: Allocataire) -> list[str]:
    return [hash_destination(value) for value in (person.mobile, person.landline, person.email) if value]


def say_opposition(row: Opposition) -> str:
    """« Opposition aux SMS sur tous les thèmes (STOP par SMS), le 02/03/2026. »"""
    channel = row.get_channel_display() if row.channel else "tous les canaux"
    theme = f"le thème « {row.theme} »" if row.theme else "tous les thèmes"
    return f"Opposition : {channel}, {theme} ({row.get_source_display()}), le {_day(row.recorded_at)}."


def _no_address(case: Case) -> list[str]:
    person = case.person
    states = {
        Channel.SMS: _say_address("SMS", "mobile", mask_phone(person.mobile), person.sms_allowed),
        Channel.EMAIL: _say_address("E-mail", "e-mail", mask_email(person.email), person.email_allowed),
        Channel.CALL: _say_address(
            "Appel", "téléphone", mask_phone(person.mobile or person.landline), person.call_allowed
        ),
    }
    standing = Q(corrected_at=None) | Q(corrected_at__gt=case.at)
    bad = BadDestination.objects.filter(
        standing, since__lte=case.at, channel__in=["", *case.channels], destination_hash__in=_hashes(person)
    )
    known_bad = [
        f"{row.get_channel_display() if row.channel else 'Tous les canaux'} : adresse à corriger depuis le "
        f"{_day(row.since)} ({row.get_reason_display()})."
        for row in bad.order_by("since", "pk")
    ]
    refused = [f"En outre : {text}" for text in _opposed(case)]
    return [*(states[Channel(channel)] for channel in case.channels if states[Channel(channel)]), *known_bad, *refused]


def _say_address(channel: str, kind: str, masked: str, allowed: bool) -> str:
    if not masked:
        return f"{channel} : aucun {kind} dans le fichier."
    return "" if allowed else f"{channel} : {masked}, mais la personne ne l’a pas autorisé."


def _sensitive_theme(case: Case) -> list[str]:
    delay = timedelta(days=case.campaign.sensitive_days)
    facts = _facts_before(case).filter(theme=case.campaign.theme, at__gt=case.at - delay)
    return [f"{say_contact(fact)} Protégée sur ce thème jusqu’au {_day(fact.at + delay)}." for fact in facts]


def _control_elsewhere(case: Case) -> list[str]:
    others = Member.objects.control().filter(
        allocataire=case.person, audience__superseded_at=None, campaign__theme=case.campaign.theme
    )
    if case.audience:
        others = others.filter(audience_id__lt=case.audience.pk)
    rows = others.exclude(campaign=case.campaign).select_related("audience", "campaign").order_by("pk")
    night_on = case.audience.night_on if case.audience else timezone.localdate(case.at)
    until = [(row, row.audience.night_on + timedelta(days=row.campaign.window_days)) for row in rows]
    return [
        f"Témoin de « {row.campaign.name} » (vague {row.audience.number}), jusqu’au {say_day(last)}."
        for row, last in until
        if last >= night_on
    ]


def _cap(case: Case) -> list[str]:
    facts = list(_facts_before(case).filter(is_exempt=False, at__gt=case.at - LONG, at__lt=case.at + LONG))
    contacts = [Contact(fact.at, fact.campaign_id) for fact in facts]
    limits = Limits(settings.CAP_CAMPAIGNS_7_DAYS, settings.CAP_CONTACTS_30_DAYS)
    answer = explain_cap(case.at, campaign=case.campaign.pk, contacts=contacts, limits=limits)
    filling = {(contact.at, contact.campaign) for contact in answer.filled_by}
    free = [f"De la place à partir du {_day(answer.free_at)}."] if answer.free_at else []
    return [answer.text, *(say_contact(f) for f in facts if (f.at, f.campaign_id) in filling), *free]


def _shared_mobile(case: Case) -> list[str]:
    mobile = mask_phone(case.person.mobile)
    holders = Member.objects.retained().filter(
        audience__campaign=case.campaign, audience__superseded_at=None, allocataire__mobile=case.person.mobile
    )
    rows = holders.exclude(allocataire=case.person).select_related("audience").order_by("pk")
    return [
        f"Mobile {mobile} partagé avec une personne retenue dans la vague {row.audience.number} "
        f"(nuit du {say_day(row.audience.night_on)})."
        for row in rows
    ] or [f"Mobile {mobile} partagé, au gel, avec une autre personne de la campagne."]


def _facts_before(case: Case) -> "QuerySet[ContactFact]":
    """The contacts that counted then: those of waves frozen before this one (their state may have changed since)."""
    facts = ContactFact.objects.filter(allocataire=case.person).select_related("campaign").order_by("at", "pk")
    if case.audience is None:
        return facts.filter(state__in=FactState.counted())
    earlier = Member.objects.filter(allocataire=case.person, exclusion="", audience_id__lt=case.audience.pk)
    return facts.filter(campaign_id__in=earlier.exclude(arm=CONTROL_ARM).values("campaign_id"))


def say_contact(fact: ContactFact) -> str:
    """« SMS de « Vie maritale » le 02/03/2026 (Remis à la personne). »"""
    return f"{fact.get_channel_display()} de « {fact.campaign.name} » le {_day(fact.at)} ({fact.get_state_display()})."


def _day(at: datetime) -> str:
    return say_day(timezone.localtime(at).date())


_FINDERS: dict[Exclusion, Callable[[Case], list[str]]] = {
    Exclusion.DECEASED: _deceased,
    Exclusion.CLOSED: _closed,
    Exclusion.GUARDIANSHIP: _guardianship,
    Exclusion.OPPOSED: _opposed,
    Exclusion.NO_ADDRESS: _no_address,
    Exclusion.SENSITIVE_THEME: _sensitive_theme,
    Exclusion.CONTROL_ELSEWHERE: _control_elsewhere,
    Exclusion.CAP: _cap,
    Exclusion.SHARED_MOBILE: _shared_mobile,
}
