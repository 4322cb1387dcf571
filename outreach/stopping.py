"""The stop conditions of ``rules.stopping`` as SQL, shared by the dispatch of messages and by the call desk.

Whoever contacts locks the persons (``campaigns.locks``), then runs its decisive statement: a STOP takes the same locks.

A condition sees ``t`` the touch, ``c`` its campaign, ``a`` its wave, ``p`` the person, ``clock.now``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.conf import settings

from campaigns.enums import CampaignStatus, Channel, FactState, OutcomeStage
from campaigns.models import Campaign, Step
from campaigns.rules.keyed_hash import KEYED_HASH_SQL, hash_pads
from campaigns.rules.lifecycle import fingerprint
from outreach.enums import AttemptStatus, ReplyClass
from outreach.rules.stopping import TIME_LEFT, Check

SITUATION = """
      FROM outreach_touch t
      JOIN campaigns_campaign c ON c.id = t.campaign_id
      JOIN campaigns_audience a ON a.id = t.audience_id
      JOIN campaigns_allocataire p ON p.id = t.allocataire_id
     CROSS JOIN clock"""

# Fail closed: both stop buttons must exist and be released.
PAUSED = """(SELECT count(*) FROM outreach_pause
              WHERE scope IN ('', %(channel)s) AND NOT is_paused) < 2"""

# Fail closed as well: a database that may not know all that was sent must not send.
FENCE_CLOSED = "NOT EXISTS (SELECT 1 FROM outreach_fence WHERE closed_at IS NULL)"

# The first contacts of the wave have not all left, or not for long enough.
FIRST_CONTACTS = """(NOT t.is_canary AND NOT EXISTS (
    SELECT 1 FROM outreach_canary k WHERE k.audience_id = t.audience_id AND k.released_at IS NOT NULL))"""

UNLIMITED_FEED_DAYS = 10  # how late a feed is taken to be when its kind sets no limit: that of the shipped kinds

# A kind with a limit and no recent enough import: the person may have done it since. A day to come proves nothing.
STALE_FEED = """EXISTS (
    SELECT 1 FROM campaigns_regularisationkind k
     WHERE k.code = ANY(c.expected_kinds) AND k.feed_max_age_days IS NOT NULL
       AND NOT EXISTS (
           SELECT 1 FROM outreach_regularisationimport i
             JOIN outreach_regularisationimport_kinds ik ON ik.regularisationimport_id = i.id
            WHERE ik.regularisationkind_id = k.code
              AND i.as_of BETWEEN (clock.now AT TIME ZONE %(zone)s)::date - k.feed_max_age_days
                              AND (clock.now AT TIME ZONE %(zone)s)::date))"""

_OPPOSITION = """EXISTS (
    SELECT 1 FROM campaigns_opposition o
     WHERE {whose} AND o.lifted_at IS NULL
       AND o.channel IN ('', t.channel) AND o.theme IN ('', c.theme))"""

_MADE_FACTS = """campaigns_contactfact f
     WHERE f.allocataire_id = t.allocataire_id AND f.touch_ref <> t.id AND f.state = ANY(%(made)s)"""

# She may have refused: nothing reaches her, nor whoever shares her mobile, until somebody has read what she wrote.
AWAITS_READING = f"""EXISTS (
    SELECT 1 FROM outreach_reply unread JOIN campaigns_allocataire holder ON holder.id = t.allocataire_id
     WHERE unread.handled_at IS NULL AND unread.kind = '{ReplyClass.AMBIGUOUS}'
       AND (unread.allocataire_id = t.allocataire_id
            OR unread.sender_hash = t.destination_hash
            OR holder.mobile <> '' AND unread.sender_hash = {KEYED_HASH_SQL.format(value="holder.mobile")}))"""

CONDITIONS: Mapping[str, str] = {
    "already_sent": """EXISTS (SELECT 1 FROM outreach_attempt o
                               WHERE o.touch_id = t.id AND o.status = ANY(%(left)s))""",
    # What left before a restore stands for a contact of the same step that was planned again after it.
    "sent_before_restore": """EXISTS (
        SELECT 1 FROM outreach_lostintent l
         WHERE l.step_id = t.step_id AND l.destination_hash = t.destination_hash
           AND l.at > clock.now - make_interval(days => c.reentry_days))""",
    "fence_closed": FENCE_CLOSED,
    "paused": PAUSED,
    "campaign_not_running": "c.status <> %(running)s",
    # What is running is what was approved: the caller recomputed the fingerprint of the content it is about to send.
    "approval_void": """NOT EXISTS (
        SELECT 1 FROM unnest(%(campaigns)s::bigint[], %(fingerprints)s::text[]) AS approved(id, fingerprint)
         WHERE approved.id = c.id AND approved.fingerprint = c.approved_fingerprint
           AND c.approved_fingerprint <> '')""",
    "wave_superseded": "a.superseded_at IS NOT NULL",
    "first_contacts": FIRST_CONTACTS,
    "stale_feed": STALE_FEED,
    "deceased": "p.deceased_on IS NOT NULL",
    "closed": "p.closed_on <= (clock.now AT TIME ZONE %(zone)s)::date",
    "guardianship": "p.is_under_guardianship",
    "opposed": _OPPOSITION.format(whose="o.allocataire_id = t.allocataire_id"),
    "opposed_destination": _OPPOSITION.format(
        whose="o.destination_hash = t.destination_hash AND o.destination_hash <> ''"
    ),
    # Having looked at a page is not having done it: the first stage does not count. Done before the night, it may be
    # told after it, as late as a feed of that kind may be; older than that, it was for an earlier due date.
    "regularised": f"""EXISTS (
        SELECT 1 FROM outreach_regularisation r
          JOIN campaigns_regularisationkind k ON k.code = r.kind_id AND k.stage <> %(consulted)s
         WHERE r.allocataire_id = t.allocataire_id AND r.kind_id = ANY(c.expected_kinds)
           AND r.occurred_on BETWEEN a.night_on - coalesce(k.feed_max_age_days, {UNLIMITED_FEED_DAYS})
                                 AND (clock.now AT TIME ZONE %(zone)s)::date)""",
    # The address or the permission may have gone, or the address was found bad, since the contact was planned.
    "no_address": f"""NOT CASE t.channel
        WHEN '{Channel.SMS}' THEN p.sms_allowed AND p.mobile = t.destination
        WHEN '{Channel.EMAIL}' THEN p.email_allowed AND p.email = t.destination
        WHEN '{Channel.CALL}' THEN p.call_allowed AND t.destination IN (p.mobile, p.landline)
        ELSE false END OR t.destination = '' OR EXISTS (
        SELECT 1 FROM campaigns_baddestination b
         WHERE b.destination_hash = t.destination_hash AND b.corrected_at IS NULL AND b.channel IN ('', t.channel))""",
    "expired": "t.expires_at <= clock.now",
    "awaits_reading": AWAITS_READING,
    "outside_window": "t.due_at > clock.now OR t.closes_at <= clock.now + %(time_left)s",
    "cap_30_days": f"""NOT c.is_exempt_from_cap AND (
        SELECT count(*) FROM {_MADE_FACTS} AND NOT f.is_exempt
           AND f.at > clock.now - interval '30 days') >= %(cap_30_days)s""",
    # Between campaigns only: what follows in the same campaign is exempt from the 7 days (never from the 30).
    "cap_7_days": f"""NOT c.is_exempt_from_cap
        AND NOT EXISTS (SELECT 1 FROM {_MADE_FACTS} AND f.campaign_id = t.campaign_id)
        AND (SELECT count(DISTINCT f.campaign_id) FROM {_MADE_FACTS} AND NOT f.is_exempt
              AND f.campaign_id <> t.campaign_id AND f.at > clock.now - interval '7 days') >= %(cap_7_days)s""",
    "call_attempts": """(
        SELECT count(*) FROM outreach_callattempt ring
          JOIN outreach_call rung ON rung.id = ring.call_id JOIN outreach_touch o ON o.id = rung.touch_id
         WHERE o.allocataire_id = t.allocataire_id
           AND ring.at > clock.now - interval '30 days') >= %(cap_call_attempts)s""",
    "same_person_in_batch": "row_number() OVER (PARTITION BY t.allocataire_id ORDER BY t.priority, t.due_at, t.id) > 1",
}


def verdict_sql(checks: Iterable[Check]) -> str:
    """A CASE that gives the code of the first check that holds, '' when nothing stops the contact."""
    whens = "\n".join(f"        WHEN {CONDITIONS[check.code]} THEN '{check.code}'" for check in checks)
    return f"CASE\n{whens}\n        ELSE '' END"


def checks_sql(checks: Iterable[Check]) -> str:
    """The table of checks as VALUES (code, effect, reason), with the row that says: send."""
    rows = ", ".join(f"('{check.code}', '{check.effect}', '{check.reason}')" for check in checks)
    return f"(VALUES ('', 'SEND', ''), {rows}) AS checks(code, effect, reason)"


def stopping_values() -> dict[str, object]:
    """What the conditions read beside the rows: settings and codes."""
    made = [state for state in FactState.counted() if state != FactState.RESERVED]
    left = [AttemptStatus.SENDING, AttemptStatus.SUBMITTED, AttemptStatus.SENT, AttemptStatus.DELIVERED]
    return {
        "zone": settings.TIME_ZONE,
        "running": CampaignStatus.RUNNING.value,
        "consulted": OutcomeStage.CONSULTED.value,
        "made": [str(state) for state in made],
        "left": [str(status) for status in left],
        "time_left": TIME_LEFT,
        "cap_30_days": settings.CAP_CONTACTS_30_DAYS,
        "cap_7_days": settings.CAP_CAMPAIGNS_7_DAYS,
        "cap_call_attempts": settings.CAP_CALL_ATTEMPTS_30_DAYS,
        **hash_pads(settings.DESTINATION_HASH_KEY),
    }


@dataclass(frozen=True)
class Content:
    """What a campaign says, read at once: its steps, and the fingerprint to compare with the one approved."""

    fingerprint: str
    steps: Mapping[int, Step]


def read_contents(campaign_ids: Iterable[int]) -> dict[int, Content]:
    campaigns = Campaign.objects.select_related("plan").prefetch_related("steps").filter(pk__in=list(campaign_ids))
    return {
        campaign.pk: Content(fingerprint(campaign, campaign.steps.all()), {s.pk: s for s in campaign.steps.all()})
        for campaign in campaigns
    }


def current_fingerprints(campaign_ids: Iterable[int]) -> dict[int, str]:
    """The fingerprint of each campaign's content as it now is, to compare with the one that was approved."""
    return {pk: content.fingerprint for pk, content in read_contents(campaign_ids).items()}
