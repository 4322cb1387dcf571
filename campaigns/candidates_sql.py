"""The statements of ``campaigns.candidates``: one query says of each person why she is left out."""

from campaigns.enums import Exclusion
from campaigns.rules.contactability import AGE_BANDS, OLDEST_BAND, UNKNOWN_AGE, UNKNOWN_EPCI
from campaigns.rules.draw import SEPARATOR
from campaigns.rules.keyed_hash import KEYED_HASH_SQL

_BANDS = " ".join(f"WHEN a.born_on > %(night)s - interval '{n} years' THEN '{label}'" for n, label in AGE_BANDS)

# A table made by its query is filled faster than by INSERT.
CREATE = """
DROP TABLE IF EXISTS candidate;
CREATE TEMPORARY TABLE candidate ON COMMIT DROP AS"""

# ``usable``: only the campaign's channels, in the order of the alphabet (it ends the name of the stratum).
# OFFSET 0: what a person is seen to be is computed once, not once for each reason that reads it.
# ``mobile``: where a shared one matters.
SELECT_CANDIDATES = f"""
WITH matched (id) AS (SELECT i.id FROM ({{matching}}) i (id) {{whose}}),
{{bad_ways}}
refused AS (SELECT person, array_agg(DISTINCT channel) AS channels FROM ({{refusals}}) r GROUP BY person),
seen AS (
    SELECT a.id, a.matricule, a.mobile, refused.channels AS opposed,
           CASE WHEN a.deceased_on IS NOT NULL THEN '{Exclusion.DECEASED}'
                WHEN a.closed_on <= %(night)s THEN '{Exclusion.CLOSED}'
                WHEN a.is_under_guardianship THEN '{Exclusion.GUARDIANSHIP}' ELSE '' END AS lost,
           COALESCE(c.epci_id, '{UNKNOWN_EPCI}') || '{SEPARATOR}'
           || CASE WHEN a.born_on IS NULL THEN '{UNKNOWN_AGE}' {_BANDS} ELSE '{OLDEST_BAND}' END AS place,
           array_remove(ARRAY[{{ways}}]::text[], NULL) AS usable
      FROM matched JOIN campaigns_allocataire a ON a.id = matched.id
      LEFT JOIN campaigns_commune c ON c.code = a.commune_id
      LEFT JOIN refused ON refused.person = a.id
     WHERE NOT EXISTS (
           SELECT 1 FROM campaigns_member m JOIN campaigns_audience u ON u.id = m.audience_id
            WHERE u.campaign_id = %(campaign)s AND m.allocataire_id = a.id
              AND u.superseded_at IS NULL AND u.night_on > %(reentry_after)s)
    OFFSET 0)
SELECT seen.id, matricule, CASE WHEN usable && '{{{{SMS,CALL}}}}' THEN mobile ELSE '' END AS mobile,
       place || '{SEPARATOR}' || array_to_string(usable, '+') AS stratum,
       CASE WHEN lost <> '' THEN lost {{reasons}} ELSE '' END AS exclusion
  FROM seen {{joins}}
"""

# A tenth of the usual sample says how many are left out and how many numbers are shared.
ANALYSE = """
ALTER TABLE candidate ALTER id SET STATISTICS 10, ALTER exclusion SET STATISTICS 10;
ANALYZE candidate (id, exclusion)
"""

# The address of each channel, in the order of the alphabet; a call takes the landline too.
WAYS = {
    "CALL": "a.call_allowed AND a.mobile || a.landline <> ''",
    "EMAIL": "a.email_allowed AND a.email <> ''",
    "SMS": "a.sms_allowed AND a.mobile <> ''",
}
WAY = "CASE WHEN {is_open} AND '{channel}' <> ALL (COALESCE(refused.channels, '{{}}')) {is_good} THEN '{channel}' END"

# An address known to reach nobody, found in clear through the person it was noted for: hashing those of a whole
# population costs a second at 100,000, and somebody else who holds it is stopped by its hash just before sending.
BAD_WAYS = f"""
bad AS MATERIALIZED (
    SELECT DISTINCT d.channel || d.address AS way
      FROM campaigns_baddestination b JOIN campaigns_allocataire a ON a.id = b.allocataire_id
     CROSS JOIN LATERAL (VALUES ('SMS', a.mobile), ('EMAIL', a.email), ('CALL', a.mobile), ('CALL', a.landline))
           AS d (channel, address)
     WHERE b.corrected_at IS NULL AND b.channel IN ('', d.channel) AND d.address <> ''
       AND b.destination_hash = {KEYED_HASH_SQL.format(value="d.address")}),
"""
GOOD_WAYS = {
    "CALL": """AND NOT ((a.mobile = '' OR 'CALL' || a.mobile IN (SELECT way FROM bad))
                        AND (a.landline = '' OR 'CALL' || a.landline IN (SELECT way FROM bad)))""",
    "EMAIL": "AND 'EMAIL' || a.email NOT IN (SELECT way FROM bad)",
    "SMS": "AND 'SMS' || a.mobile NOT IN (SELECT way FROM bad)",
}

# Whether any address is known to reach nobody, and whether any refusal is known by its address alone: where there is
# none, nothing is hashed for it, which costs a second at 100,000.
ASK_ADDRESSES = """
SELECT EXISTS (SELECT FROM campaigns_baddestination WHERE corrected_at IS NULL),
       EXISTS (SELECT FROM campaigns_opposition WHERE lifted_at IS NULL AND allocataire_id IS NULL)
"""

# A channel that the person refuses stops being usable.
REFUSALS_OF_PERSONS = """
SELECT p.allocataire_id AS person, refused.channel
  FROM campaigns_opposition p
  JOIN unnest(%(channels)s::text[]) AS refused (channel) ON p.channel IN ('', refused.channel)
 WHERE p.lifted_at IS NULL AND p.allocataire_id IS NOT NULL AND p.theme IN ('', %(theme)s)
"""
# Somebody whose file went and came back is known only by her address.
REFUSALS_OF_ADDRESSES = f"""
SELECT a.id AS person, d.channel
  FROM matched JOIN campaigns_allocataire a ON a.id = matched.id
 CROSS JOIN LATERAL (VALUES ('SMS', a.mobile), ('EMAIL', a.email), ('CALL', a.mobile), ('CALL', a.landline))
       AS d (channel, address)
  JOIN campaigns_opposition p ON p.destination_hash = {KEYED_HASH_SQL.format(value="d.address")}
 WHERE p.lifted_at IS NULL AND p.allocataire_id IS NULL AND p.theme IN ('', %(theme)s)
   AND p.channel IN ('', d.channel) AND d.channel = ANY(%(channels)s) AND d.address <> ''
"""

# People whom a reason leaves out, each once. A join, because a subquery in a CASE is asked again for each person as
# soon as PostgreSQL thinks it too large to be hashed.
SENSITIVE = """
SELECT DISTINCT allocataire_id FROM campaigns_contactfact
 WHERE theme = %(theme)s AND state = ANY(%(counted)s) AND at > %(sensitive_after)s"""
CONTROL_ELSEWHERE = """
SELECT DISTINCT m.allocataire_id FROM campaigns_member m
  JOIN campaigns_audience u ON u.id = m.audience_id
  JOIN campaigns_campaign c ON c.id = u.campaign_id
 WHERE m.arm = %(control)s AND u.campaign_id <> %(campaign)s AND c.theme = %(theme)s
   AND u.superseded_at IS NULL AND u.night_on + c.window_days >= %(night)s"""
# Same rule as ``rules.pressure.breaks_cap``: one more contact now would exceed one of the two windows.
CAP = """
SELECT allocataire_id FROM campaigns_contactfact
 WHERE state = ANY(%(counted)s) AND NOT is_exempt AND campaign_id <> %(campaign)s
   AND at > %(now)s - interval '7 days' AND at < %(now)s + interval '7 days'
 GROUP BY allocataire_id HAVING count(DISTINCT campaign_id) >= %(campaigns_7_days)s
UNION
SELECT allocataire_id FROM (
    SELECT allocataire_id, at AS last_at,
           lag(at, %(contacts_30_days)s - 1) OVER (PARTITION BY allocataire_id ORDER BY at) AS first_at
      FROM campaigns_contactfact
     WHERE state = ANY(%(counted)s) AND NOT is_exempt
       AND at > %(now)s - interval '30 days' AND at < %(now)s + interval '30 days') w
 WHERE first_at IS NOT NULL AND GREATEST(last_at, %(now)s) - LEAST(first_at, %(now)s) < interval '30 days'"""

# Among those who share a mobile, the first matricule is kept, unless somebody of an earlier wave holds it.
SHARED_MOBILE = f"""
WITH holder AS (
    SELECT id, mobile, matricule FROM candidate
     WHERE exclusion = '' AND mobile <> ''),
shared AS (SELECT mobile FROM holder GROUP BY mobile HAVING count(*) > 1),
ranked AS (
    SELECT id, row_number() OVER (PARTITION BY mobile ORDER BY matricule) AS place
      FROM holder JOIN shared USING (mobile)),
earlier AS MATERIALIZED (
    SELECT DISTINCT a.mobile FROM campaigns_member m
      JOIN campaigns_audience u ON u.id = m.audience_id
      JOIN campaigns_allocataire a ON a.id = m.allocataire_id
     WHERE u.campaign_id = %(campaign)s AND m.exclusion = '' AND u.superseded_at IS NULL
       AND u.night_on > %(reentry_after)s),
second AS (
    SELECT id FROM ranked WHERE place > 1
     UNION
    SELECT id FROM holder JOIN earlier USING (mobile))
UPDATE candidate SET exclusion = '{Exclusion.SHARED_MOBILE}' FROM second WHERE candidate.id = second.id"""

COUNT = "SELECT exclusion, stratum, count(*) FROM candidate GROUP BY exclusion, stratum"
COUNT_OVERRIDDEN = f"SELECT count(*) FROM candidate WHERE exclusion = '' AND id IN ({SENSITIVE})"
