"""The freeze: who a campaign takes on a night, why others are left out, and in which arm each one is drawn."""

from datetime import date, datetime
from fractions import Fraction

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, Q

from campaigns.candidates import Candidates, build_candidates
from campaigns.enums import CONTROL_ARM, CampaignStatus
from campaigns.models import Audience, Campaign, Member, refresh_statistics
from campaigns.rules.draw import Person, Shares, allocate, draw, merge_small_strata, split_shares, wave_seed
from campaigns.rules.french import french_number
from campaigns.rules.lifecycle import fingerprint


class AudienceDrifted(Exception):
    """What the approver agreed to is no longer what would be done; the message says it and the way out, in French."""


class DrawNotReplayable(Exception):
    """That audience was frozen before its shares were kept, and its campaign has been approved again since."""


# Strata are numbers here: PostgreSQL sorts everybody by stratum, and words take four times as long. Members are written
# in the order of people, the one of their indexes.
INSERT_MEMBERS = """
WITH merged (stratum, number) AS (SELECT * FROM unnest(%(strata)s::text[], %(places)s::int[])),
quota (number, drawn_in, arm, first, last) AS (
    SELECT * FROM unnest(%(quota_places)s::int[], %(drawn_in)s::text[], %(arms)s::text[], %(firsts)s::int[],
                         %(lasts)s::int[])),
ranked AS (
    SELECT candidate.id, merged.number, row_number() OVER (
               PARTITION BY merged.number ORDER BY sha256(convert_to(%(seed)s || matricule, 'UTF8'))) AS rank
      FROM candidate JOIN merged USING (stratum)
     WHERE exclusion = ''),
drawn AS (
    SELECT id, exclusion, '' AS arm, '' AS stratum FROM candidate WHERE exclusion <> ''
     UNION ALL
    SELECT ranked.id, '', quota.arm, quota.drawn_in
      FROM ranked JOIN quota ON quota.number = ranked.number AND rank BETWEEN quota.first AND quota.last)
INSERT INTO campaigns_member (audience_id, campaign_id, allocataire_id, exclusion, arm, stratum)
SELECT %(audience)s, %(campaign)s, id, exclusion, arm, stratum FROM drawn ORDER BY id
"""


def freeze_audience(*, campaign: Campaign, night_on: date, now: datetime) -> Audience | None:
    """Freeze the wave of that night, in one transaction; the same night again returns the same audience.

    ``None``: nobody newly matches, or the campaign is not to be frozen that night (paused, not started, over, already
    frozen when it takes a single audience). Raises ``AudienceDrifted`` when it must go back to approval.
    """
    with transaction.atomic():
        campaign = Campaign.objects.select_related("plan").select_for_update(of=("self",)).get(pk=campaign.pk)
        waves = campaign.audiences.filter(superseded_at=None)
        frozen = waves.filter(night_on=night_on).first()
        if frozen or not _is_due(campaign, night_on):
            return frozen
        _check_fingerprint(campaign)
        candidates = build_candidates(campaign=campaign, criteria=campaign.criteria, night_on=night_on, now=now)
        _check_size(campaign, candidates.targeted)
        return _freeze(campaign, candidates, night_on, now) if candidates.targeted else None


def _is_due(campaign: Campaign, night_on: date) -> bool:
    if campaign.status != CampaignStatus.RUNNING:
        return False
    if (campaign.starts_on and night_on < campaign.starts_on) or (campaign.ends_on and night_on > campaign.ends_on):
        return False
    return campaign.is_nightly or not campaign.audiences.filter(superseded_at=None).exists()


def _check_fingerprint(campaign: Campaign) -> None:
    if fingerprint(campaign, campaign.steps.all()) != campaign.approved_fingerprint:
        raise AudienceDrifted(
            f"La campagne « {campaign.name} » n’est plus celle qui a été approuvée : ses règles, ses étapes ou ses "
            "textes ont changé. Renvoyez-la en brouillon, puis faites-la approuver à nouveau."
        )


def _check_size(campaign: Campaign, targeted: int) -> None:
    if campaign.is_nightly:
        if campaign.night_size_max and targeted > campaign.night_size_max:
            raise AudienceDrifted(
                f"La campagne « {campaign.name} » viserait {french_number(targeted)} personnes cette nuit, pour "
                f"{french_number(campaign.night_size_max)} au plus. Vérifiez la population importée, puis reprenez la "
                "campagne ou faites approuver un autre maximum."
            )
        return
    expected = campaign.expected_size or 0
    if abs(targeted - expected) > settings.SIZE_TOLERANCE * expected:
        raise AudienceDrifted(
            f"La campagne « {campaign.name} » viserait {french_number(targeted)} personnes, pour "
            f"{french_number(expected)} approuvées : l’écart "
            f"dépasse {settings.SIZE_TOLERANCE:.0%}. Renvoyez-la en brouillon, puis faites-la approuver à nouveau."
        )


def _freeze(campaign: Campaign, candidates: Candidates, night_on: date, now: datetime) -> Audience:
    drawn_in = merge_small_strata(candidates.strata)
    sizes = dict.fromkeys(drawn_in.values(), 0)
    for stratum, size in candidates.strata.items():
        sizes[drawn_in[stratum]] += size
    shares = _shares(campaign)
    quotas = allocate(sizes, shares, already=_drawn_before(campaign, campaign.approved_fingerprint))
    audience = Audience.objects.create(
        campaign=campaign,
        number=campaign.audiences.count() + 1,
        night_on=night_on,
        seed=wave_seed(campaign.seed, campaign.audiences.filter(superseded_at=None).count() + 1),
        fingerprint=campaign.approved_fingerprint,
        frozen_at=now,
        targeted_count=candidates.targeted,
        retained_count=candidates.retained,
        control_count=sum(quota[CONTROL_ARM] for quota in quotas.values()),
        override_count=candidates.overridden,
        shares=[[code, str(share)] for code, share in shares.arms],
    )
    _insert_members(audience, drawn_in, quotas)
    refresh_statistics(Member, written=candidates.targeted)
    return audience


def _insert_members(audience: Audience, drawn_in: dict[str, str], quotas: dict[str, dict[str, int]]) -> None:
    ranges = _rank_ranges(quotas)
    places = {stratum: place for place, stratum in enumerate(quotas)}
    with connection.cursor() as cursor:
        cursor.execute(
            INSERT_MEMBERS,
            {
                "audience": audience.pk,
                "campaign": audience.campaign_id,
                "seed": audience.seed,
                "strata": list(drawn_in),
                "places": [places[stratum] for stratum in drawn_in.values()],
                "quota_places": [places[r[0]] for r in ranges],
                "drawn_in": [r[0] for r in ranges],
                "arms": [r[1] for r in ranges],
                "firsts": [r[2] for r in ranges],
                "lasts": [r[3] for r in ranges],
            },
        )


def _rank_ranges(quotas: dict[str, dict[str, int]]) -> list[tuple[str, str, int, int]]:
    """(stratum, arm, first rank, last rank), ranks from 1, in the order in which arms are filled."""
    ranges = []
    for stratum, quota in quotas.items():
        first = 1
        for arm, size in quota.items():
            if size:
                ranges.append((stratum, arm, first, first + size - 1))
            first += size
    return ranges


def _shares(campaign: Campaign) -> Shares:
    return split_shares(campaign.control_share, campaign.arms)


def _drawn_before(campaign: Campaign, approved: str, before: Audience | None = None) -> dict[str, int]:
    """Arm → people drawn by the earlier waves under the same approval, whose remainders this wave carries on."""
    earlier = Q(audience__superseded_at=None)
    if before:
        earlier = (earlier | Q(audience__superseded_at__gt=before.frozen_at)) & Q(audience__number__lt=before.number)
    members = Member.objects.retained().filter(earlier, audience__campaign=campaign, audience__fingerprint=approved)
    return dict(members.values_list("arm").annotate(Count("pk")))


def count_exclusions(audience: Audience) -> dict[str, int]:
    """Exclusion → people of that audience left out for it."""
    excluded = audience.members.exclude(exclusion="").order_by()
    return dict(excluded.values_list("exclusion").annotate(Count("pk")))


def replay_draw(audience: Audience) -> bool:
    """Draw again in Python from the seed and shares kept on the audience; say whether each member is in that arm."""
    shares = _shares_of(audience)
    rows = audience.members.retained().values_list("allocataire__matricule", "stratum", "arm")
    stored = {matricule: (stratum, arm) for matricule, stratum, arm in rows}
    drawn = draw(
        (Person(matricule, stratum) for matricule, (stratum, _) in stored.items()),
        shares=shares,
        seed=audience.seed,
        already=_drawn_before(audience.campaign, audience.fingerprint, before=audience),
    )
    return all(drawn[matricule] == arm for matricule, (_, arm) in stored.items())


def _shares_of(audience: Audience) -> Shares:
    if audience.shares:
        return Shares(tuple((code, Fraction(share)) for code, share in audience.shares))
    if audience.campaign.approved_fingerprint == audience.fingerprint:
        return _shares(audience.campaign)
    raise DrawNotReplayable(
        f"Le tirage de la vague {audience.number} ne peut plus être refait : elle a été figée avant que ses parts ne "
        "soient gardées, et la campagne a été approuvée à nouveau depuis."
    )
