"""What became of the last contacts, campaign by campaign: the figures that ``outreach.safeguards`` judges."""

from campaigns.enums import CampaignStatus, Channel, OppositionSource
from outreach.enums import TouchStatus

# Of the person herself, not of an agent nor of a call.
_REFUSED_BY = tuple(
    str(source)
    for source in (OppositionSource.SMS_STOP, OppositionSource.LINK, OppositionSource.EMAIL, OppositionSource.OPERATOR)
)
_FAILED = f"('{TouchStatus.FAILED}', '{TouchStatus.UNDELIVERED}', '{TouchStatus.EXPIRED}')"

# Bounded by the last attempts of all campaigns, whatever the size of one. A mail server says nothing after it accepted:
# its acceptance is the end that is known. An attempt that is not its contact's last word says nothing yet.
TALLY = f"""
WITH recent AS MATERIALIZED (
    SELECT o.touch_id, o.number, o.intent_at, o.status, o.error_code
      FROM outreach_attempt o ORDER BY o.id DESC LIMIT %(watched)s),
since AS (
    SELECT c.id, max(m.at) AS at FROM campaigns_campaign c
      JOIN campaigns_campaignmove m ON m.campaign_id = c.id AND m.move IN ('LAUNCH', 'RESUME')
     WHERE c.status = '{CampaignStatus.RUNNING}' GROUP BY c.id),
ends AS MATERIALIZED (
    SELECT t.id, t.campaign_id, t.channel, t.allocataire_id, t.destination_hash, r.intent_at, r.error_code,
           t.status IN {_FAILED} AS is_failed
      FROM recent r JOIN outreach_touch t ON t.id = r.touch_id AND t.attempt_count = r.number AND t.status = r.status
      JOIN since ON since.id = t.campaign_id AND r.intent_at >= since.at
     WHERE t.status IN ('{TouchStatus.DELIVERED}', '{TouchStatus.FAILED}', '{TouchStatus.UNDELIVERED}',
                        '{TouchStatus.EXPIRED}')
        OR t.channel = '{Channel.EMAIL}' AND t.status = '{TouchStatus.SUBMITTED}'),
refusals AS MATERIALIZED (
    SELECT p.allocataire_id, p.destination_hash, p.channel, p.recorded_at FROM campaigns_opposition p
     WHERE p.lifted_at IS NULL AND p.source IN {_REFUSED_BY}
       AND p.recorded_at >= (SELECT min(intent_at) FROM recent)),
refused AS (
    SELECT e.id FROM ends e JOIN refusals p ON p.allocataire_id = e.allocataire_id
       AND p.channel IN ('', e.channel) AND p.recorded_at >= e.intent_at
    UNION
    SELECT e.id FROM ends e JOIN refusals p ON p.destination_hash = e.destination_hash AND p.destination_hash <> ''
       AND p.channel IN ('', e.channel) AND p.recorded_at >= e.intent_at)
SELECT e.campaign_id, count(*), count(*) FILTER (WHERE e.is_failed),
       count(*) FILTER (WHERE e.id IN (SELECT id FROM refused)),
       count(*) FILTER (WHERE e.error_code = ANY(%(filtered)s))
  FROM ends e GROUP BY e.campaign_id"""
