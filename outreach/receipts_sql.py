"""The statements of ``outreach.receipts``, each over a whole batch."""

_KNOWN = """
SELECT o.id, o.uuid, o.touch_id, t.campaign_id, t.allocataire_id, t.destination, o.status, o.error_code, o.provider_ref
  FROM outreach_attempt o JOIN outreach_touch t ON t.id = o.touch_id"""

FIND = f"""
{_KNOWN} WHERE o.uuid = ANY(%(uuids)s::uuid[])
UNION
{_KNOWN} WHERE o.provider_ref = ANY(%(refs)s::text[]) AND o.provider_ref <> ''
   AND o.provider = ANY(%(providers)s::text[])"""

LOCK_TOUCHES = "SELECT id FROM outreach_touch WHERE id = ANY(%(touches)s) ORDER BY id FOR NO KEY UPDATE"

# ``submitted_at``: an operator that speaks of a message has taken it, even if nobody heard it say so.
WRITE_ATTEMPTS = """
UPDATE outreach_attempt o
   SET status = n.status, error_code = n.code, provider_ref = n.ref, status_at = %(now)s,
       submitted_at = coalesce(o.submitted_at, %(now)s)
  FROM unnest(%(ids)s::bigint[], %(statuses)s::text[], %(codes)s::text[], %(refs)s::text[]) AS n(id, status, code, ref)
 WHERE o.id = n.id"""

READ_TOUCHES = """
SELECT t.id, t.status, t.expires_at, array_agg(o.status ORDER BY o.number), array_agg(o.error_code ORDER BY o.number)
  FROM outreach_touch t JOIN outreach_attempt o ON o.touch_id = t.id
 WHERE t.id = ANY(%(touches)s) GROUP BY t.id"""

# A person who answered has answered: no receipt takes that back.
WRITE_TOUCHES = """
WITH moved AS (
    UPDATE outreach_touch t
       SET status = n.status, status_at = %(now)s, due_at = coalesce(n.due_at, t.due_at), claimed_by = '',
           claimed_until = NULL
      FROM unnest(%(ids)s::bigint[], %(statuses)s::text[], %(facts)s::text[], %(due_at)s::timestamptz[])
           AS n(id, status, fact, due_at)
     WHERE t.id = n.id
    RETURNING t.id, n.fact)
UPDATE campaigns_contactfact f SET state = moved.fact
  FROM moved WHERE f.touch_ref = moved.id AND f.state <> %(answered)s"""

MARK_APPLIED = """
UPDATE outreach_providerevent e SET applied_at = %(now)s, problem = n.problem
  FROM unnest(%(ids)s::bigint[], %(problems)s::text[]) AS n(id, problem) WHERE e.id = n.id"""
