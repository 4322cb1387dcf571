"""The statements of ``outreach.call_desk``."""

from campaigns.enums import CampaignStatus, Channel, FactState
from outreach.enums import TouchStatus
from outreach.rules.stopping import CALL_CHECKS
from outreach.stopping import AWAITS_READING, SITUATION, STALE_FEED, checks_sql, verdict_sql

# What was stopped or has expired since is no longer to be rung.
CLOSE_STOPPED = f"""
UPDATE outreach_call k SET done_at = %(now)s, held_by_id = NULL, held_until = NULL
  FROM outreach_touch t
 WHERE t.id = k.touch_id AND k.done_at IS NULL AND t.status <> '{TouchStatus.PLANNED}'"""

CARRY_OVER = """
UPDATE outreach_call SET listed_on = %(on)s
 WHERE done_at IS NULL AND listed_on < %(on)s
   AND coalesce((next_try_at AT TIME ZONE %(zone)s)::date, %(on)s) <= %(on)s"""

LIST_NEW = f"""
WITH clock AS MATERIALIZED (SELECT %(now)s::timestamptz AS now),
room AS (SELECT greatest(0, %(calls_per_day)s - count(*)) AS size FROM outreach_call
          WHERE listed_on = %(on)s AND done_at IS NULL),
chosen AS (
    SELECT t.id FROM outreach_touch t
      JOIN campaigns_campaign c ON c.id = t.campaign_id AND c.status = '{CampaignStatus.RUNNING}'
      JOIN campaigns_audience a ON a.id = t.audience_id AND a.superseded_at IS NULL
     CROSS JOIN clock
     WHERE t.channel = '{Channel.CALL}' AND t.status = '{TouchStatus.PLANNED}'
       AND (t.due_at AT TIME ZONE %(zone)s)::date <= %(on)s AND t.expires_at > clock.now AND NOT {STALE_FEED}
       AND NOT EXISTS (SELECT 1 FROM outreach_call k WHERE k.touch_id = t.id)
     ORDER BY t.priority, t.due_at, t.id LIMIT (SELECT size FROM room))
INSERT INTO outreach_call (touch_id, listed_on) SELECT id, %(on)s FROM chosen ON CONFLICT DO NOTHING"""

COUNT_OPEN = "SELECT count(*) FROM outreach_call WHERE listed_on = %(on)s AND done_at IS NULL"

# One person is never held by two agents, whatever the number of campaigns that want to ring her.
NEXT_CALL = f"""
SELECT k.id, k.touch_id, t.campaign_id, t.allocataire_id, t.destination_hash
  FROM outreach_call k JOIN outreach_touch t ON t.id = k.touch_id
 WHERE k.done_at IS NULL AND NOT k.id = ANY(%(skipped)s)
   AND k.listed_on <= (%(now)s AT TIME ZONE %(zone)s)::date
   AND (k.held_until IS NULL OR k.held_until <= %(now)s) AND (k.next_try_at IS NULL OR k.next_try_at <= %(now)s)
   AND t.status = '{TouchStatus.PLANNED}' AND t.due_at <= %(now)s AND t.closes_at > %(now)s + %(time_left)s
   AND NOT {AWAITS_READING}
   AND NOT EXISTS (
       SELECT 1 FROM outreach_call other JOIN outreach_touch o ON o.id = other.touch_id
        WHERE o.allocataire_id = t.allocataire_id AND other.id <> k.id AND other.held_until > %(now)s)
 ORDER BY t.priority, t.due_at, k.id LIMIT 1
   FOR UPDATE OF k SKIP LOCKED"""

HELD_ELSEWHERE = """
SELECT EXISTS (
    SELECT 1 FROM outreach_call other JOIN outreach_touch o ON o.id = other.touch_id
     WHERE o.allocataire_id = %(person)s AND other.id <> %(call)s AND other.held_until > %(now)s)"""

# As for messages: after the person is locked, in a statement of its own.
JUDGE_CALL = f"""
WITH clock AS MATERIALIZED (SELECT %(now)s::timestamptz AS now),
verdict AS MATERIALIZED (SELECT t.id, {verdict_sql(CALL_CHECKS)} AS code {SITUATION} WHERE t.id = %(touch)s),
stopped AS (
    UPDATE outreach_touch t
       SET status = CASE checks.effect WHEN 'EXPIRE' THEN '{TouchStatus.EXPIRED}' ELSE '{TouchStatus.SUPPRESSED}' END,
           reason = checks.reason, status_at = %(now)s
      FROM verdict JOIN {checks_sql(CALL_CHECKS)} ON checks.code = verdict.code
     WHERE t.id = verdict.id AND t.status = '{TouchStatus.PLANNED}' AND checks.effect IN ('SUPPRESS', 'EXPIRE')
    RETURNING t.id),
facts AS (
    UPDATE campaigns_contactfact f SET state = '{FactState.RELEASED}'
      FROM stopped WHERE f.touch_ref = stopped.id AND f.state = '{FactState.RESERVED}')
SELECT code, EXISTS (SELECT 1 FROM stopped) FROM verdict"""
