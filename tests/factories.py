"""Factory functions for the objects of ``campaigns``. Any value can be given; the rest is plausible and unique."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from itertools import count
from typing import Any

from campaigns.enums import CONTROL_ARM, CampaignStatus, Channel, PlanFamily, TrialStatus
from campaigns.models import (
    Allocataire,
    Audience,
    Campaign,
    Commune,
    ContactFact,
    Epci,
    ImportedList,
    ListEntry,
    Member,
    Plan,
    PlanStep,
    Segment,
    Step,
    Trial,
    User,
)
from campaigns.rules.trials import digest_text, list_messages

NOW = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)  # the night of Tuesday 3 March 2026, 00:30 in Paris
NIGHT = date(2026, 3, 3)
ANYBODY: dict[str, Any] = {"all": [{"field": "children_count", "op": "gte", "value": 0}]}
SMS_ARM = [{"code": "SMS", "label": "SMS", "share": 1}]
SMS_TEXT = "Caf : votre situation a peut-être changé. Si ce n’est pas déjà fait, déclarez-la sur https://www.caf.fr"

_numbers = count(1)


def make_user(username: str = "", *, is_staff: bool = True, **values: Any) -> User:
    username = username or f"agent{next(_numbers)}"
    values.setdefault("email", f"{username}@caf.invalid")
    return User.objects.create_user(username, is_staff=is_staff, **values)


def make_epci(code: str = "200027183", name: str = "Perpignan Méditerranée Métropole") -> Epci:
    return Epci.objects.get_or_create(code=code, defaults={"name": name})[0]


def make_commune(code: str = "66136", name: str = "Perpignan", *, epci: Epci | None = None) -> Commune:
    department = code[:3] if code.startswith(("97", "98")) else code[:2]
    return Commune.objects.get_or_create(
        code=code, defaults={"name": name, "department": department, "epci": epci or make_epci()}
    )[0]


def allocataire_values(**values: Any) -> dict[str, Any]:
    """The columns of a reachable person (mobile, e-mail, calls allowed), living in Perpignan, one child."""
    number = next(_numbers)
    return {
        "matricule": f"{number:07d}",
        "civility": "MME",
        "last_name": f"NOM{number}",
        "first_name": "Camille",
        "born_on": date(1990, 5, 17),
        "family_situation": "CELIBATAIRE",
        "children_count": 1,
        "children_born_on": [date(2020, 1, 1)],
        "commune_id": "66136",
        "mobile": f"+336{number:08d}",
        "sms_allowed": True,
        "email": f"personne{number}@exemple.invalid",
        "email_allowed": True,
        "landline": f"+334{number:08d}",
        "call_allowed": True,
        "affiliated_on": date(2020, 1, 1),
        **values,
    }


def make_allocataire(**values: Any) -> Allocataire:
    return make_allocataires(1, **values)[0]


def make_allocataires(size: int, **values: Any) -> list[Allocataire]:
    """``size`` people, in one INSERT. ``values`` are shared by all of them."""
    if "commune" not in values and "commune_id" not in values:
        make_commune()
    if "commune" in values:
        commune = values.pop("commune")
        values["commune_id"] = commune.pk if commune else None
    return Allocataire.objects.bulk_create([Allocataire(**allocataire_values(**values)) for _ in range(size)])


def step_values(channel: str = Channel.SMS, **values: Any) -> dict[str, Any]:
    subject = "Votre dossier Caf" if channel == Channel.EMAIL else ""
    return {
        "position": 1,
        "label": "Premier contact",
        "channel": channel,
        "subject": subject,
        "body": SMS_TEXT,
        **values,
    }


def make_plan(*, steps: Sequence[dict[str, Any]] | None = None, **values: Any) -> Plan:
    number = next(_numbers)
    plan = Plan.objects.create(
        **{
            "code": f"plan-{number}",
            "name": f"Plan n° {number}",
            "family": PlanFamily.REGULARISATION,
            "theme": f"theme-{number}",
            "purpose": "Inviter à mettre à jour sa situation.",
            "criteria": ANYBODY,
            "arms": SMS_ARM,
            **values,
        }
    )
    PlanStep.objects.bulk_create([PlanStep(plan=plan, **values) for values in steps or [step_values()]])
    return plan


def make_segment(criteria: dict[str, Any] | None = None, **values: Any) -> Segment:
    values.setdefault("name", f"Segment n° {next(_numbers)}")
    return Segment.objects.create(criteria=criteria or ANYBODY, **values)


def make_list(*people: Allocataire, **values: Any) -> ImportedList:
    """A list that was delivered, on which these people are."""
    number = next(_numbers)
    values = {"code": f"liste-{number}", "name": f"Liste n° {number}", "origin": "Cnaf", "as_of": NIGHT, **values}
    kept = ImportedList.objects.create(imported_at=NOW, people_count=len(people), **values)
    ListEntry.objects.bulk_create([ListEntry(imported_list=kept, allocataire=person) for person in people])
    return kept


def make_campaign(
    *,
    plan: Plan | None = None,
    segment: Segment | None = None,
    steps: Sequence[dict[str, Any]] | None = None,
    **values: Any,
) -> Campaign:
    """A draft, as ``start_campaign`` would leave it (without its log). ``steps``: by default those of the plan."""
    plan = plan or make_plan()
    campaign = Campaign(
        **{
            "name": f"Campagne n° {next(_numbers)}",
            "plan": plan,
            "segment": segment or make_segment(plan.criteria),
            "mode": plan.mode,
            "arms": plan.arms,
            "control_share": plan.control_share,
            "window_days": plan.window_days,
            "priority": plan.priority,
            **values,
        }
    )
    campaign.pin_rules_of_plan()
    campaign.save()
    fields = [f.name for f in PlanStep._meta.fields if f.name not in {"id", "plan"}]
    steps = steps or list(plan.steps.order_by("position").values(*fields))
    Step.objects.bulk_create([Step(campaign=campaign, **values) for values in steps])
    return campaign


def try_texts(campaign: Campaign) -> None:
    """Somebody of the team received each message as it is written now: it may be submitted."""
    by = make_user()
    for step in list_messages(campaign.steps.all()):
        values = {"channel": step.channel, "text_digest": digest_text(step), "status": TrialStatus.DELIVERED}
        Trial.objects.create(campaign=campaign, by=by, at=NOW, provider="fake", **values)


def make_running_campaign(*, expected_size: int, now: datetime = NOW, **values: Any) -> Campaign:
    """A campaign as launched: pinned, approved, with its seed. The moves themselves are tested in test_lifecycle."""
    from campaigns.lifecycle import current_fingerprint

    campaign = make_campaign(**values)
    campaign.criteria = campaign.segment.criteria
    campaign.expected_size = expected_size
    campaign.status = CampaignStatus.RUNNING
    campaign.seed = "graine-de-test"
    campaign.submitted_at = campaign.approved_at = campaign.launched_at = now
    campaign.approved_fingerprint = current_fingerprint(campaign)
    campaign.save()
    return campaign


def give_rules(**rules: Any) -> None:
    """Other rules than those of their plan to every campaign, as if each had been approved with them."""
    from campaigns.lifecycle import current_fingerprint

    for campaign in Campaign.objects.all():
        for name, value in rules.items():
            setattr(campaign, name, value)
        campaign.approved_fingerprint = campaign.approved_fingerprint and current_fingerprint(campaign)
        campaign.save()


def make_audience(campaign: Campaign | None = None, **values: Any) -> Audience:
    campaign = campaign or make_campaign(status=CampaignStatus.RUNNING)
    values.setdefault("number", campaign.audiences.count() + 1)
    return Audience.objects.create(
        **{
            "campaign": campaign,
            "night_on": NIGHT,
            "seed": "graine-de-test",
            "fingerprint": campaign.approved_fingerprint,
            "frozen_at": NOW,
            **values,
        }
    )


def make_member(audience: Audience | None = None, allocataire: Allocataire | None = None, **values: Any) -> Member:
    """A retained member of arm SMS unless ``exclusion`` or ``arm`` is given."""
    audience = audience or make_audience()
    values.setdefault("arm", "" if values.get("exclusion") else "SMS")
    return Member.objects.create(
        audience=audience,
        campaign_id=audience.campaign_id,
        allocataire=allocataire or make_allocataire(),
        **values,
    )


def make_control(audience: Audience, allocataire: Allocataire | None = None) -> Member:
    return make_member(audience, allocataire, arm=CONTROL_ARM)


def make_contact_fact(allocataire: Allocataire, campaign: Campaign, *, at: datetime, **values: Any) -> ContactFact:
    return ContactFact.objects.create(
        **{
            "touch_ref": next(_numbers),
            "allocataire": allocataire,
            "campaign": campaign,
            "plan_code": campaign.plan.code,
            "theme": campaign.plan.theme,
            "channel": Channel.SMS,
            "at": at,
            **values,
        }
    )
