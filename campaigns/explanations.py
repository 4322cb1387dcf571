"""« Pourquoi elle ? »: for one person, which criteria hold, in which wave she is, and what kept her out, with dates."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from campaigns.candidates import build_candidates
from campaigns.enums import CONTROL_ARM, CampaignStatus, Exclusion, FactState
from campaigns.exclusion_causes import Case, find_causes, say_contact
from campaigns.models import Allocataire, Audience, Campaign, ContactFact, ListEntry, Member
from campaigns.rules.criteria import explain
from campaigns.rules.criteria_catalogue import Catalogue, FieldType
from campaigns.rules.criteria_segments import expand
from campaigns.rules.explanations import Criterion, group_text, lay_flat, say_day, say_fact
from campaigns.segments import catalogue_naming, holding

MAX_FACTS = 5


@dataclass(frozen=True)
class Verdict:
    """Whether the person meets the criteria on a day; ``criteria`` has the whole tree on its first line."""

    holds: bool
    sentence: str
    criteria: list[Criterion]


@dataclass(frozen=True)
class WaveAnswer:
    """What a wave did with her: retained in an arm, or left out with the reason and what caused it."""

    wave: str
    is_replaced: bool
    is_retained: bool
    text: str
    causes: list[str]


@dataclass(frozen=True)
class CampaignAnswer:
    """``conclusion`` says where she stands now; ``verdict`` is None when the campaign has no valid criteria."""

    campaign: Campaign
    waves: list[WaveAnswer]
    conclusion: str
    causes: list[str]
    verdict: Verdict | None


def explain_segment(*, allocataire: Allocataire, criteria: Mapping[str, Any], today: date) -> Verdict:
    """Each criterion held or failed on ``today``, with the person’s fact. Raises ``InvalidCriteria``."""
    catalogue = catalogue_naming(criteria)
    criteria = expand(criteria, catalogue)
    nodes = list(lay_flat(criteria))
    verdicts = holding([node for _, node in nodes], allocataire_id=allocataire.pk, today=today)
    person = _Person(catalogue, _read_facts(allocataire), today)
    told = zip(nodes, verdicts, strict=True)
    lines = [_say_node(depth, node, person, holds=holds) for (depth, node), holds in told]
    return Verdict(holds=verdicts[0], sentence=explain(criteria, catalogue), criteria=lines)


def explain_campaign(*, allocataire: Allocataire, campaign: Campaign, now: datetime) -> CampaignAnswer:
    """The waves she was in, and what tonight would do with her. Raises ``InvalidCriteria``."""
    today = timezone.localdate(now)
    members = Member.objects.filter(campaign=campaign, allocataire=allocataire)
    waves = [
        _explain_member(member, allocataire)
        for member in members.select_related("audience", "campaign__plan").order_by("-audience__number")
    ]
    criteria = campaign.criteria if campaign.criteria and not campaign.is_editable else campaign.segment.criteria
    verdict = explain_segment(allocataire=allocataire, criteria=criteria, today=today)
    conclusion, causes = _conclude(campaign, allocataire, verdict, criteria, now)
    return CampaignAnswer(campaign, waves, conclusion, causes, verdict)


def explain_night(*, allocataire: Allocataire, night_on: date) -> list[CampaignAnswer]:
    """For each wave frozen that night: what it did with her, or why she was no candidate."""
    audiences = Audience.objects.filter(night_on=night_on).select_related("campaign__plan", "campaign__segment")
    return [_explain_audience(audience, allocataire) for audience in audiences.order_by("frozen_at", "pk")]


def _explain_audience(audience: Audience, allocataire: Allocataire) -> CampaignAnswer:
    campaign = audience.campaign
    member = audience.members.filter(allocataire=allocataire).select_related("audience", "campaign__plan").first()
    if member:
        return CampaignAnswer(campaign, [_explain_member(member, allocataire)], "", [], None)
    until = _reentry_day(campaign, allocataire, before=audience.night_on)
    if until and until > audience.night_on:
        return CampaignAnswer(campaign, [], _say_delay(until), [], None)
    criteria = campaign.criteria or campaign.segment.criteria
    verdict = explain_segment(allocataire=allocataire, criteria=criteria, today=audience.night_on)
    text = "Elle n’était pas candidate : elle ne remplissait pas les critères."
    if verdict.holds:
        text = "Elle n’était pas candidate cette nuit-là ; d’après le fichier d’aujourd’hui, elle le serait."
    return CampaignAnswer(campaign, [], text, [], verdict)


def _explain_member(member: Member, allocataire: Allocataire) -> WaveAnswer:
    audience, campaign = member.audience, member.campaign
    wave = f"Vague {audience.number}, nuit du {say_day(audience.night_on)}"
    is_replaced = audience.superseded_at is not None
    if not member.exclusion:
        return WaveAnswer(wave, is_replaced, True, _say_arm(campaign, member.arm), [])
    case = Case(allocataire, campaign, audience.frozen_at, audience)
    label = str(Exclusion(member.exclusion).label)
    return WaveAnswer(wave, is_replaced, False, f"Laissée de côté : {label}.", find_causes(case, member.exclusion))


def _say_arm(campaign: Campaign, code: str) -> str:
    if code == CONTROL_ARM:
        return "Retenue, tirée au sort parmi les témoins : elle ne reçoit rien de cette campagne."
    return f"Retenue, tirée au sort dans le bras « {campaign.label_arm(code)} »."


def _conclude(
    campaign: Campaign, allocataire: Allocataire, verdict: Verdict, criteria: Any, now: datetime
) -> tuple[str, list[str]]:
    """Where she stands now: held by the re-entry delay, outside the criteria, or what tonight would do with her."""
    night_on = timezone.localdate(now)
    if over := _say_over(campaign):
        return over, []
    until = _reentry_day(campaign, allocataire, before=night_on + timedelta(days=1))
    if until and until > night_on:
        return _say_delay(until), []
    if not verdict.holds:
        return "Elle n’est pas candidate aujourd’hui : elle ne remplit pas les critères.", []
    with transaction.atomic():
        build_candidates(campaign=campaign, criteria=criteria, night_on=night_on, now=now, only=allocataire.pk)
        with connection.cursor() as cursor:
            cursor.execute("SELECT exclusion FROM candidate")
            found = cursor.fetchone()
    exclusion = found[0] if found else ""
    if not exclusion:
        return "Aujourd’hui, elle serait retenue, sauf si son mobile est aussi celui d’une autre personne visée.", []
    text = f"Aujourd’hui, elle serait laissée de côté : {Exclusion(exclusion).label}."
    return text, find_causes(Case(allocataire, campaign, now), exclusion)


def _reentry_day(campaign: Campaign, allocataire: Allocataire, *, before: date) -> date | None:
    """From which night the campaign may take her again, after the last wave that examined her."""
    waves = Audience.objects.filter(
        campaign=campaign, superseded_at=None, members__allocataire=allocataire, night_on__lt=before
    )
    last = waves.order_by("-night_on").values_list("night_on", flat=True).first()
    return last + timedelta(days=campaign.reentry_days) if last else None


def _say_over(campaign: Campaign) -> str:
    """Why no night takes anybody any more; empty while one may."""
    if campaign.status in (CampaignStatus.CLOSED, CampaignStatus.CANCELLED):
        return "La campagne est terminée : elle ne prend plus personne."
    if not campaign.is_nightly and campaign.audiences.filter(superseded_at=None).exists():
        return "Son audience est figée : cette campagne ne prend plus personne."
    return ""


def _say_delay(until: date) -> str:
    return f"Déjà examinée par cette campagne : elle ne peut y revenir qu’à partir du {say_day(until)}."


@dataclass(frozen=True)
class _Person:
    catalogue: Catalogue
    facts: Mapping[str, Any]
    today: date


def _say_node(depth: int, node: Mapping[str, Any], person: _Person, *, holds: bool) -> Criterion:
    if text := group_text(node):
        return Criterion(depth, text, holds, is_group=True)
    field = person.catalogue.fields[node["field"]]
    facts = person.facts
    if field.type == FieldType.HISTORY:
        facts = {**facts, "contacts": _say_history(facts["pk"])}
    if field.type == FieldType.LIST:
        facts = {**facts, "lists": _name_lists(facts["pk"])}
    words = explain(node, person.catalogue).removeprefix("Allocataires ").removesuffix(".")
    return Criterion(depth, words[:1].upper() + words[1:], holds, say_fact(field, facts, today=person.today))


def _read_facts(allocataire: Allocataire) -> dict[str, Any]:
    """Her columns by name, with what is read through her commune."""
    columns = {field.attname: getattr(allocataire, field.attname) for field in Allocataire._meta.concrete_fields}
    commune = allocataire.commune
    return columns | {
        "pk": allocataire.pk,
        "family_situation_label": allocataire.get_family_situation_display(),
        "commune": commune.name if commune else None,
        "epci": commune.epci_id if commune else None,
        "department": commune.department if commune else None,
    }


def _name_lists(allocataire_id: int) -> list[str]:
    entries = ListEntry.objects.filter(allocataire=allocataire_id).order_by("imported_list__name")
    return list(entries.values_list("imported_list__name", flat=True))


def _say_history(allocataire_id: int) -> str:
    facts = ContactFact.objects.filter(allocataire=allocataire_id, state__in=FactState.counted())
    recent = facts.select_related("campaign").order_by("-at")[:MAX_FACTS]
    return " ".join(say_contact(fact) for fact in recent)
