"""The bilan of a campaign or of a programme: what happened, what it changed, what it cost. Computed, never stored."""

from collections.abc import Sequence

from django.conf import settings

from campaigns.models import Campaign, Programme
from outreach import bilan_sql
from outreach.rules.bilan import Bilan
from outreach.rules.bilan_facts import CampaignFacts, Facts
from outreach.rules.evaluation import evaluate


def compute_campaign_bilan(*, campaign: Campaign) -> Bilan:
    """Evaluate one campaign over all its waves, each person counted once."""
    return evaluate(_gather("CAMPAGNE", campaign.name, str(campaign.pk), [campaign]))


def compute_programme_bilan(*, programme: Programme) -> Bilan:
    """Evaluate a programme's campaigns together: each person once, in the first campaign that retained her."""
    campaigns = list(programme.campaigns.order_by("launched_at", "pk"))
    return evaluate(_gather("PROGRAMME", programme.name, programme.code, campaigns))


def _gather(scope: str, name: str, code: str, campaigns: Sequence[Campaign]) -> Facts:
    with bilan_sql.gather_people([campaign.pk for campaign in campaigns]):
        return _read_facts(scope, name, code, campaigns)


def _read_facts(scope: str, name: str, code: str, campaigns: Sequence[Campaign]) -> Facts:
    pks = [campaign.pk for campaign in campaigns]
    described = _describe(campaigns)
    touches, spent = bilan_sql.read_contacts(pks)
    facts = Facts(
        scope=scope,
        name=name,
        code=code,
        campaigns=described,
        days=(),
        places=(),
        amounts=tuple(bilan_sql.read_amounts(pks)),
        addresses=bilan_sql.read_addresses(pks),
        touches=tuple(touches),
        spent=spent,
        sms_segment_price=settings.SMS_SEGMENT_PRICE,
    )
    stage = facts.principal_stage
    knowing = [campaign.pk for campaign in facts.knowing(stage)]
    return facts.with_stage(
        days=bilan_sql.read_days(pks, stage, knowing), places=bilan_sql.read_places(pks, stage, knowing)
    )


def _describe(campaigns: Sequence[Campaign]) -> tuple[CampaignFacts, ...]:
    pks = [campaign.pk for campaign in campaigns]
    groups, feeds, waves = bilan_sql.read_groups(pks), bilan_sql.read_feeds(pks), bilan_sql.read_waves(pks)
    return tuple(
        CampaignFacts(
            pk=campaign.pk,
            name=campaign.name,
            window_days=campaign.window_days,
            arms={arm["code"]: arm.get("label", arm["code"]) for arm in campaign.arms},
            wave=waves.get(campaign.pk),
            feeds=tuple(feed for feed in feeds if feed.campaign == campaign.pk),
            groups=tuple(group for group in groups if group.campaign == campaign.pk),
        )
        for campaign in campaigns
    )
