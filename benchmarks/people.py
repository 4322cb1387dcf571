"""A population made by the database itself: any size in seconds, the same each time. Shares follow the simulator's."""

import random
from pathlib import Path

from django.db import connection

from campaigns.territories import load_territories

CHANGED_SHARE = 0.06  # of the people of an extract, from one month to the next

# A number in [0, 1) that depends on the person and on what is drawn for her only.
DRAW = """
CREATE OR REPLACE FUNCTION draw(person bigint, what int) RETURNS float8 LANGUAGE sql IMMUTABLE AS
$$ SELECT (hashint8extended(person, what) & 2147483647) / 2147483648.0 $$
"""

PEOPLE = """
WITH here AS (
    SELECT code, row_number() OVER (ORDER BY code) AS place, count(*) OVER () AS places
      FROM campaigns_commune WHERE department = '66'),
drawn AS (
    SELECT n, draw(n, 1) < 0.707 AS alone, draw(n, 2) < 0.36 AS parent, 18 + floor(60 * draw(n, 3) ^ 1.4)::int AS age,
           draw(n, 4) AS income, 1 + floor(3 * draw(n, 5))::int AS children
      FROM generate_series(%(first)s::bigint, %(last)s) n)
INSERT INTO campaigns_allocataire (
    matricule, civility, last_name, first_name, born_on, language, family_situation, separated_on, children_count,
    children_born_on, has_working_child, commune_id, housing, email, email_allowed, mobile, sms_allowed, landline,
    call_allowed, prestations, professional_situation, professional_since, dtr_due_on, dtr_received_on, rib_state,
    quittance_state, is_scholar, affiliated_on, is_under_guardianship, closed_on, deceased_on, extra, updated_at)
SELECT lpad(n::text, 7, '0'), CASE WHEN draw(n, 6) < 0.6 THEN 'MME' ELSE 'M' END, 'NOM' || n, 'Camille',
       date '2026-03-01' - 365 * age - floor(365 * draw(n, 7))::int, 'fr',
       CASE WHEN alone THEN (ARRAY['CELIBATAIRE', 'SEPARE', 'DIVORCE', 'VEUF'])[1 + floor(4 * draw(n, 8))::int]
            ELSE (ARRAY['MARIE', 'PACSE', 'VIE_MARITALE'])[1 + floor(3 * draw(n, 8))::int] END,
       CASE WHEN draw(n, 9) < 0.1 THEN date '2026-03-01' - floor(2000 * draw(n, 9) * 10)::int END,
       CASE WHEN parent THEN children ELSE 0 END,
       CASE WHEN parent THEN ARRAY(SELECT date '2026-03-01' - floor(6500 * draw(n, 20 + c))::int
                                     FROM generate_series(1, children) c) ELSE '{}' END,
       false, here.code, (ARRAY['LOCATAIRE', 'PROPRIETAIRE', 'HEBERGE', ''])[1 + floor(4 * draw(n, 10))::int],
       CASE WHEN draw(n, 11) < 0.93 THEN 'personne' || n || '@exemple.invalid' ELSE '' END, draw(n, 11) < 0.918,
       CASE WHEN draw(n, 12) < 0.96 THEN '+337' || lpad((n - (draw(n, 13) < 0.02)::int)::text, 8, '0')
            ELSE '' END, draw(n, 12) < 0.953,
       CASE WHEN draw(n, 14) < 0.3 THEN '+334' || lpad(n::text, 8, '0') ELSE '' END, draw(n, 14) < 0.28,
       CASE WHEN income < 0.19 THEN '{"RSA": "2024-05-01"}' WHEN income < 0.21 THEN '{"RSA": "2024-05-01", "PPA": null}'
            WHEN income < 0.58 THEN '{"PPA": "2023-02-01"}' WHEN income < 0.68 THEN '{"AAH": "2020-01-01"}'
            ELSE '{}' END::jsonb
       || CASE WHEN draw(n, 15) < 0.47 THEN '{"APL": "2022-09-01"}' ELSE '{}' END::jsonb
       || CASE WHEN parent AND alone AND draw(n, 16) < 0.35 THEN '{"ASF": "2024-01-01"}' ELSE '{}' END::jsonb,
       (ARRAY['SALARIE', 'CHOMAGE', 'ETUDIANT', 'SANS_ACTIVITE'])[1 + floor(4 * draw(n, 17))::int],
       date '2026-03-01' - floor(3000 * draw(n, 17))::int, date '2026-04-30',
       CASE WHEN draw(n, 18) < 0.7 THEN date '2026-03-20' END, 'VALIDE', 'RECUE', draw(n, 19) < 0.05,
       date '2026-03-01' - 100 - floor(6000 * draw(n, 30))::int, draw(n, 31) < 0.01,
       CASE WHEN draw(n, 32) < 0.03 THEN date '2025-06-01' END,
       CASE WHEN draw(n, 33) < 0.002 THEN date '2025-12-01' END,
       '{}', now()
  FROM drawn JOIN here ON here.place = 1 + floor(here.places * draw(n, 34) ^ 3)
"""

# One person in fifty refused something; as many refusals lifted since.
REFUSALS = """
INSERT INTO campaigns_opposition (allocataire_id, destination_hash, channel, theme, source, recorded_at, lifted_at,
                                  note)
SELECT id, '', (ARRAY['', 'SMS', 'EMAIL'])[1 + id %% 3], '', 'STOP_SMS', %(now)s - interval '40 days',
       CASE WHEN id %% 2 = 0 THEN %(now)s - interval '9 days' END, ''
  FROM campaigns_allocataire WHERE draw(id, 40) < 0.04
"""

# Past contacts over a year: some people get many, a third none.
FACTS = """
INSERT INTO campaigns_contactfact (touch_ref, allocataire_id, campaign_id, plan_code, theme, channel, at, state,
                                   is_exempt)
SELECT -row_number() OVER (), person, campaign, 'plan-' || campaign, 'theme-' || campaign, 'SMS', at, state, false
  FROM (SELECT p.id AS person,
               (%(campaigns)s::bigint[])[1 + floor(draw(n, 50) * cardinality(%(campaigns)s::bigint[]))::int]
                   AS campaign,
               %(now)s - interval '1 day' * (365 * draw(n, 51)) AS at,
               (ARRAY['REMIS', 'REMIS', 'REMIS', 'REMIS_OPERATEUR', 'REPONDU',
                      'LIBERE'])[1 + floor(6 * draw(n, 52))::int]
                   AS state
          FROM generate_series(1, %(facts)s::bigint) n
          JOIN campaigns_allocataire p ON p.id = (SELECT min(id) FROM campaigns_allocataire)
               + floor(draw(n, 53) ^ 1.5 * (SELECT count(*) FROM campaigns_allocataire))::bigint) f
 ORDER BY at
"""


def make_people(size: int, *, first: int = 1) -> None:
    """Add ``size`` people of the Pyrénées-Orientales, with their refusals to come separately."""
    load_territories()
    with connection.cursor() as cursor:
        cursor.execute(DRAW)
        cursor.execute(PEOPLE, {"first": first, "last": first + size - 1})
        cursor.execute("VACUUM (ANALYZE) campaigns_allocataire")


def make_refusals(now: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(REFUSALS, {"now": now})
        cursor.execute("VACUUM (ANALYZE) campaigns_opposition")


def make_contacts(count: int, *, campaigns: list[int], now: object) -> None:
    """``count`` contacts of the past year, filed in the order in which they were made."""
    with connection.cursor() as cursor:
        cursor.execute(FACTS, {"facts": count, "campaigns": campaigns, "now": now})
        cursor.execute("VACUUM (ANALYZE) campaigns_contactfact")


def change_some(extract: Path, changed: Path) -> None:
    """The same extract a month later: one « oui » of 6 % of the people has become a « non »."""
    chance = random.Random(66)
    with extract.open(encoding="utf-8") as source, changed.open("w", encoding="utf-8") as target:
        for line in source:
            target.write(line.replace(";oui;", ";non;", 1) if chance.random() < CHANGED_SHARE else line)
