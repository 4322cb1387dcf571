"""The statements of ``outreach.receipts``, each over a whole batch. The batch lives in temporary tables of the session.

What an operator's words mean is decided in ``rules.delivery``, in Python, once for each different word of a batch; what
follows for each row is SQL. A *key* is the rank of a state on two digits followed by the error code that explains it:
the greater key (byte order) wins, whatever came first.
"""

from campaigns.enums import FactState, TrialStatus
from outreach.enums import AttemptStatus, EventKind
from outreach.rules.delivery import RANKS

STORE = """
INSERT INTO outreach_providerevent
       (provider, kind, attempt_uuid, provider_ref, status, error_code, payload, received_at, problem)
VALUES (%(provider)s, %(kind)s, %(attempt_uuid)s, %(provider_ref)s, %(status)s, %(error_code)s, %(payload)s,
        coalesce(%(now)s, app_now()), '')
RETURNING id"""

_RANK_OF = "CASE {status} " + " ".join(f"WHEN '{status}' THEN '{rank:02}'" for status, rank in RANKS.items()) + " END"
_STATUS_OF = "CASE left({key}, 2) " + " ".join(f"WHEN '{rank:02}' THEN '{s}'" for s, rank in RANKS.items()) + " END"


def _key_of(attempt: str) -> str:
    """The key of what is known of an attempt."""
    return f"({_RANK_OF.format(status=f'{attempt}.status')} || {attempt}.error_code)"


# heard: receipts taken; said: attempts that they may change; news: those that they changed; situations: touches of
# those, ``kind`` being the same for all that are decided alike. Emptied by the commit, and before a second batch of the
# same transaction. A batch is sorted in memory: the default 4 MB sends it to disk.
MAKE_TABLES = """
SET LOCAL work_mem = '64MB';
CREATE TEMP TABLE IF NOT EXISTS receipts_heard (
    event_id bigint, provider text, ref text, word text, code text,
    attempt_id bigint, touch_id bigint, known_ref text, known_key text) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS receipts_said (
    attempt_id bigint, touch_id bigint, key text, status text) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS receipts_news (attempt_id bigint, touch_id bigint, code text) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS receipts_situations (
    touch_id bigint, current text, statuses text[], codes text[], has_time boolean, kind int) ON COMMIT DELETE ROWS;
DELETE FROM receipts_heard; DELETE FROM receipts_said; DELETE FROM receipts_news; DELETE FROM receipts_situations
"""

# ``after``: what this run has seen is not looked at again, else each batch would step over all those before it.
# ``finals``: the words to take, when only some are: what is final first makes the rest no news, so that a message whose
# receipts are spread over many batches is written once.
# An attempt is found by what travelled with the message, else by the operator's reference.
TAKE = f"""
WITH taken AS MATERIALIZED (
    SELECT id, provider, attempt_uuid, provider_ref, status, error_code FROM outreach_providerevent
     WHERE applied_at IS NULL AND kind = '{EventKind.STATUS}' AND id > %(after)s
       AND (%(finals)s::text[] IS NULL OR status = ANY(%(finals)s))
     ORDER BY id LIMIT %(size)s
       FOR NO KEY UPDATE SKIP LOCKED),
kept AS (
    INSERT INTO receipts_heard
    SELECT e.id, e.provider, e.provider_ref, e.status, e.error_code, coalesce(u.id, r.id),
           coalesce(u.touch_id, r.touch_id), coalesce(u.provider_ref, r.provider_ref),
           coalesce({_key_of("u")}, {_key_of("r")})
      FROM taken e
      LEFT JOIN outreach_attempt u ON u.uuid = e.attempt_uuid
      LEFT JOIN LATERAL (
          SELECT o.id, o.touch_id, o.provider_ref, o.status, o.error_code FROM outreach_attempt o
           WHERE o.provider = e.provider AND o.provider_ref = CASE WHEN u.id IS NULL THEN e.provider_ref END
             AND o.provider_ref <> '') AS r ON true
    RETURNING event_id)
SELECT count(*), max(event_id) FROM kept"""

READ_WORDS = "SELECT DISTINCT provider, word, code FROM receipts_heard"

# Refusals told by the operator, oldest first: one more than may be locked at once.
READ_REFUSALS = """
SELECT min(h.event_id) AS first_event, t.allocataire_id, t.destination
  FROM receipts_heard h JOIN outreach_touch t ON t.id = h.touch_id
 WHERE h.code = ANY(%(codes)s)
 GROUP BY t.allocataire_id, t.destination ORDER BY first_event LIMIT %(limit)s"""

LEAVE_FROM = "DELETE FROM receipts_heard WHERE event_id >= %(event)s"

_WORDS = """words AS MATERIALIZED (
    SELECT * FROM unnest(%(providers)s::text[], %(words)s::text[], %(codes)s::text[], %(keys)s::text[],
                         %(known)s::boolean[]) AS w(provider, word, code, key, is_known))"""

# What is known of an attempt never goes back: a receipt that says less than it changes nothing, and locks nothing.
READ_SAID = f"""
WITH {_WORDS}
INSERT INTO receipts_said
SELECT attempt_id, touch_id, key, {_STATUS_OF.format(key="key")}
  FROM (SELECT h.attempt_id, h.touch_id, max(w.key COLLATE "C") AS key
          FROM receipts_heard h JOIN words w USING (provider, word, code)
         WHERE h.attempt_id IS NOT NULL AND w.key <> ''
         GROUP BY h.attempt_id, h.touch_id
        HAVING max(w.key COLLATE "C") > max(h.known_key COLLATE "C") OR bool_or(h.known_ref = '' AND h.ref <> '')
       ) AS best
 ORDER BY attempt_id"""

LOCK_TOUCHES = """
SELECT count(*) FROM (
    SELECT id FROM outreach_touch WHERE id IN (SELECT touch_id FROM receipts_said)
     ORDER BY id FOR NO KEY UPDATE) AS locked"""

# A reference that nobody has becomes that of the attempt, if it has none: the first that was told, the first who told.
# ``submitted_at``: an operator that speaks of a message has taken it, even if nobody heard it say so.
WRITE_ATTEMPTS = f"""
WITH {_WORDS},
claims AS (
    SELECT DISTINCT ON (h.attempt_id) h.attempt_id, h.provider, h.ref, h.event_id
      FROM receipts_heard h JOIN words w USING (provider, word, code)
     WHERE h.known_ref = '' AND h.ref <> '' AND w.key <> ''
       AND NOT EXISTS (SELECT 1 FROM outreach_attempt owner
                        WHERE owner.provider = h.provider AND owner.provider_ref = h.ref AND owner.provider_ref <> '')
     ORDER BY h.attempt_id, h.event_id),
granted AS MATERIALIZED (
    SELECT DISTINCT ON (provider, ref) attempt_id, ref FROM claims ORDER BY provider, ref, event_id),
changed AS (
    UPDATE outreach_attempt o
       SET status = CASE WHEN n.key COLLATE "C" > {_key_of("o")} THEN n.status ELSE o.status END,
           error_code = CASE WHEN n.key COLLATE "C" > {_key_of("o")} THEN substr(n.key, 3) ELSE o.error_code END,
           provider_ref = CASE WHEN o.provider_ref = '' THEN coalesce(g.ref, '') ELSE o.provider_ref END,
           status_at = %(now)s, submitted_at = coalesce(o.submitted_at, %(now)s)
      FROM receipts_said n LEFT JOIN granted g USING (attempt_id)
     WHERE o.id = n.attempt_id
       AND (n.key COLLATE "C" > {_key_of("o")} OR o.provider_ref = '' AND g.ref IS NOT NULL)
    RETURNING o.id, o.touch_id, o.error_code)
INSERT INTO receipts_news SELECT * FROM changed"""

# A touch is decided from all its attempts, first to last.
READ_SITUATIONS = """
INSERT INTO receipts_situations
SELECT *, dense_rank() OVER (ORDER BY current, statuses, codes, has_time)
  FROM (SELECT t.id, t.status COLLATE "C" AS current, array_agg(o.status COLLATE "C" ORDER BY o.number) AS statuses,
               array_agg(o.error_code COLLATE "C" ORDER BY o.number) AS codes,
               t.expires_at > %(late_try_at)s AS has_time
          FROM outreach_touch t JOIN outreach_attempt o ON o.touch_id = t.id
         WHERE t.id IN (SELECT touch_id FROM receipts_news) GROUP BY t.id) AS touched
 ORDER BY id"""
LIST_SITUATIONS = (
    "SELECT DISTINCT ON (kind) kind, current, statuses, codes, has_time FROM receipts_situations ORDER BY kind"
)

# A person who answered has answered: no receipt takes that back.
WRITE_TOUCHES = f"""
WITH moved AS (
    UPDATE outreach_touch t
       SET status = n.status, status_at = CASE t.status WHEN n.status THEN t.status_at ELSE %(now)s END,
           due_at = CASE WHEN n.is_late THEN %(late_try_at)s ELSE t.due_at END,
           claimed_by = '', claimed_until = NULL
      FROM receipts_situations s
      JOIN unnest(%(kinds)s::int[], %(statuses)s::text[], %(facts)s::text[], %(late)s::boolean[])
           AS n(kind, status, fact, is_late) USING (kind)
     WHERE t.id = s.touch_id
    RETURNING t.id, n.fact)
UPDATE campaigns_contactfact f SET state = moved.fact
  FROM moved WHERE f.touch_ref = moved.id AND f.state NOT IN (moved.fact, '{FactState.ANSWERED}')"""

# ``is_recent``: sent since its campaign was launched or resumed; a superviseur has seen what was before.
READ_CODES = """
SELECT DISTINCT t.allocataire_id, t.destination, t.campaign_id, n.code,
       o.intent_at >= coalesce((SELECT max(m.at) FROM campaigns_campaignmove m
                                 WHERE m.campaign_id = t.campaign_id AND m.move IN ('LAUNCH', 'RESUME')),
                               '-infinity') AS is_recent
  FROM receipts_news n JOIN outreach_touch t ON t.id = n.touch_id JOIN outreach_attempt o ON o.id = n.attempt_id
 WHERE n.code = ANY(%(codes)s)"""

# A message that is no attempt may be a trial, which a colleague sent to herself.
TELL_TRIALS = f"""
WITH {_WORDS},
told AS (
    SELECT e.attempt_uuid, left(max(w.key COLLATE "C"), 2) AS rank
      FROM receipts_heard h JOIN words w USING (provider, word, code)
      JOIN outreach_providerevent e ON e.id = h.event_id
     WHERE h.attempt_id IS NULL AND w.key <> ''
     GROUP BY e.attempt_uuid)
UPDATE campaigns_trial t
   SET status = CASE rank WHEN '{RANKS[AttemptStatus.DELIVERED]:02}' THEN '{TrialStatus.DELIVERED}'
                ELSE '{TrialStatus.UNDELIVERED}' END
  FROM told
 WHERE t.uuid = told.attempt_uuid AND t.status <> '{TrialStatus.DELIVERED}'
   AND rank IN ({", ".join(f"'{RANKS[status]:02}'" for status in sorted(AttemptStatus.final()))})"""

# Tells the problems: code, sentence, how many, the first of them.
MARK_APPLIED = f"""
WITH {_WORDS},
marked AS (
    UPDATE outreach_providerevent e
       SET applied_at = %(now)s,
           problem = CASE WHEN h.attempt_id IS NULL
                          THEN CASE WHEN EXISTS (SELECT 1 FROM campaigns_trial t WHERE t.uuid = e.attempt_uuid)
                                    THEN '' ELSE %(nobody)s END
                          WHEN w.key = '' THEN %(no_word)s
                          WHEN h.known_ref <> h.ref AND h.ref <> '' AND NOT EXISTS (
                               SELECT 1 FROM outreach_attempt o WHERE o.id = h.attempt_id AND o.provider_ref = h.ref)
                          THEN %(other)s
                          WHEN NOT w.is_known THEN %(no_code)s ELSE '' END
      FROM receipts_heard h JOIN words w USING (provider, word, code)
     WHERE e.id = h.event_id
    RETURNING e.id, e.problem)
SELECT problem, count(*), min(id) FROM marked WHERE problem <> '' GROUP BY problem ORDER BY problem"""
