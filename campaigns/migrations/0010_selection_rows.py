"""What criteria read most, in a narrow row of fixed width that the database keeps exact (docs/adr, selection row)."""

import django.db.models.deletion
from django.db import migrations, models

# The rows of SelectionRow for the persons of {source} (a table, or what a statement wrote), from the codes known so far:
# NULL where a word has none yet. Built as text: a CASE over constants asks for no join.
SELECT_ROWS = """
CREATE FUNCTION selection_rows_sql(source text) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    bits text; held text[]; words text := ''; kind_ text;
BEGIN
    SELECT coalesce(string_agg(format('CASE WHEN a.prestations ? %L THEN %s ELSE 0 END', value, 1::bigint << number), ' + '), '0'),
           coalesce(array_agg(value::text), '{}')
      INTO bits, held FROM campaigns_selectioncode WHERE kind = 'prestations';
    FOREACH kind_ IN ARRAY ARRAY['family_situation', 'housing', 'professional_situation', 'civility', 'rib_state',
                                 'quittance_state', 'language'] LOOP
        words := words || (
            SELECT format(', CASE a.%I WHEN '''' THEN 0 %s END AS %I', kind_,
                          string_agg(format('WHEN %L THEN %s', value, number), ' ' ORDER BY number), kind_)
              FROM campaigns_selectioncode WHERE kind = kind_);
    END LOOP;
    RETURN format(
        'SELECT a.id AS allocataire_id, CASE WHEN a.prestations - %L::text[] = ''{}'' THEN (%s)::bigint END AS prestations,
                coalesce(a.born_on, ''infinity'') AS born_on,
                CASE WHEN a.commune_id IS NULL THEN 0 ELSE c.number END AS commune_id, a.children_count,
                a.mobile <> '''' AS has_mobile, a.sms_allowed, a.email <> '''' AS has_email, a.email_allowed,
                a.landline <> '''' AS has_landline, a.call_allowed, a.has_working_child, a.is_scholar,
                a.is_under_guardianship, DATES %s
           FROM %s a LEFT JOIN campaigns_selectioncode c ON c.kind = ''commune_id'' AND c.value = a.commune_id',
        held, bits, words, source);
END $$;
"""

# The words of {source} that have no code yet, given the next ones of their kind.
GIVE_CODES = """
CREATE FUNCTION selection_codes_sql(source text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
SELECT format(
    'INSERT INTO campaigns_selectioncode (kind, value, number)
     SELECT kind, value, row_number() OVER (PARTITION BY kind ORDER BY value) + coalesce(
                (SELECT max(number) FROM campaigns_selectioncode k WHERE k.kind = f.kind),
                CASE kind WHEN ''prestations'' THEN -1 ELSE 0 END)
       FROM (SELECT ''prestations'' AS kind, jsonb_object_keys(prestations) AS value FROM %1$s WORDS) f
      WHERE value <> '''' AND NOT EXISTS (
            SELECT 1 FROM campaigns_selectioncode k WHERE k.kind = f.kind AND k.value = f.value)', source)
$$;
"""

FOLLOW = """
CREATE FUNCTION selection_follow() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    rows_sql text; tries int := 0; written bigint;
BEGIN
    IF NOT EXISTS (SELECT 1 FROM changed) THEN RETURN NULL; END IF;
    LOOP
        rows_sql := selection_rows_sql('changed');
        BEGIN
            IF TG_OP = 'INSERT' THEN
                EXECUTE 'INSERT INTO campaigns_selectionrow (COLUMNS) SELECT COLUMNS FROM (' || rows_sql || ') n';
            ELSE
                EXECUTE 'UPDATE campaigns_selectionrow r SET (ALLBUTKEY) = ROW(NEWCOLS) FROM (' || rows_sql || ') n
                          WHERE r.allocataire_id = n.allocataire_id AND (OLDCOLS) IS DISTINCT FROM (NEWCOLS)';
            END IF;
            GET DIAGNOSTICS written = ROW_COUNT;
            EXIT;
        EXCEPTION WHEN not_null_violation THEN
            IF tries > 0 THEN RAISE; END IF;
            tries := 1;
            LOCK TABLE campaigns_selectioncode IN SHARE ROW EXCLUSIVE MODE;  -- whoever gives codes at the same time waits
            EXECUTE selection_codes_sql('changed');
        END;
    END LOOP;
    IF written > 10000 THEN ANALYZE campaigns_selectionrow; END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION selection_forget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN DELETE FROM campaigns_selectionrow;
    ELSE DELETE FROM campaigns_selectionrow r USING gone WHERE r.allocataire_id = gone.id; END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER selection_follows_insert AFTER INSERT ON campaigns_allocataire
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION selection_follow();
CREATE TRIGGER selection_follows_update AFTER UPDATE ON campaigns_allocataire
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION selection_follow();
CREATE TRIGGER selection_follows_delete AFTER DELETE ON campaigns_allocataire
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION selection_forget();
CREATE TRIGGER selection_follows_truncate AFTER TRUNCATE ON campaigns_allocataire
    FOR EACH STATEMENT EXECUTE FUNCTION selection_forget();
"""

FILL = """
DO $$ BEGIN
    EXECUTE selection_codes_sql('campaigns_allocataire');
    EXECUTE 'INSERT INTO campaigns_selectionrow (COLUMNS) SELECT COLUMNS FROM ('
            || selection_rows_sql('campaigns_allocataire') || ') n ORDER BY 1';
END $$
"""

UNDO = """
DROP TRIGGER selection_follows_insert ON campaigns_allocataire;
DROP TRIGGER selection_follows_update ON campaigns_allocataire;
DROP TRIGGER selection_follows_delete ON campaigns_allocataire;
DROP TRIGGER selection_follows_truncate ON campaigns_allocataire;
DROP FUNCTION selection_follow, selection_forget, selection_rows_sql, selection_codes_sql;
"""

WORDS = (
    "family_situation",
    "housing",
    "professional_situation",
    "civility",
    "rib_state",
    "quittance_state",
    "language",
)
DATES = (
    "dtr_due_on", "dtr_received_on", "closed_on", "affiliated_on", "professional_since", "separated_on",
    "birth_expected_on", "event_on", "mail_returned_on", "prepare_ends_on", "dar_due_on", "dar_received_on",
    "documents_missing_since", "residence_permit_ends_on",
)  # fmt: skip
FACTS = (
    "prestations", "born_on", "commune_id", "children_count", "has_mobile", "sms_allowed", "has_email",
    "email_allowed", "has_landline", "call_allowed", "has_working_child", "is_scholar", "is_under_guardianship",
    *DATES, *WORDS,
)  # fmt: skip


def spell(statement: str) -> str:
    """The statement with the columns written where their names in capitals stand."""
    words = ("commune_id", *WORDS)
    lists = {
        "COLUMNS": ", ".join(("allocataire_id", *FACTS)),
        "ALLBUTKEY": ", ".join(FACTS),
        "NEWCOLS": ", ".join(f"n.{name}" for name in FACTS),
        "OLDCOLS": ", ".join(f"r.{name}" for name in FACTS),
        " DATES ": " " + ", ".join(f"coalesce(a.{name}, ''infinity'') AS {name}" for name in DATES),
        " WORDS)": "".join(f" UNION SELECT ''{name}'', {name} FROM %1$s" for name in words) + ")",
    }
    for name, columns in lists.items():
        statement = statement.replace(name, columns)
    return statement


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0009_known_line"),
    ]

    operations = [
        migrations.CreateModel(
            name="SelectionRow",
            fields=[
                (
                    "allocataire",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="campaigns.allocataire",
                    ),
                ),
                ("prestations", models.BigIntegerField()),
                ("born_on", models.DateField()),
                ("commune_id", models.IntegerField(db_column="commune_id")),
                ("children_count", models.SmallIntegerField()),
                ("family_situation", models.SmallIntegerField()),
                ("has_mobile", models.BooleanField()),
                ("sms_allowed", models.BooleanField()),
                ("has_email", models.BooleanField()),
                ("email_allowed", models.BooleanField()),
                ("has_landline", models.BooleanField()),
                ("call_allowed", models.BooleanField()),
                ("has_working_child", models.BooleanField()),
                ("is_scholar", models.BooleanField()),
                ("is_under_guardianship", models.BooleanField()),
                ("housing", models.SmallIntegerField()),
                ("professional_situation", models.SmallIntegerField()),
                ("civility", models.SmallIntegerField()),
                ("rib_state", models.SmallIntegerField()),
                ("quittance_state", models.SmallIntegerField()),
                ("language", models.SmallIntegerField()),
                ("dtr_due_on", models.DateField()),
                ("dtr_received_on", models.DateField()),
                ("closed_on", models.DateField()),
                ("affiliated_on", models.DateField()),
                ("professional_since", models.DateField()),
                ("separated_on", models.DateField()),
                ("birth_expected_on", models.DateField()),
                ("event_on", models.DateField()),
                ("mail_returned_on", models.DateField()),
                ("prepare_ends_on", models.DateField()),
                ("dar_due_on", models.DateField()),
                ("dar_received_on", models.DateField()),
                ("documents_missing_since", models.DateField()),
                ("residence_permit_ends_on", models.DateField()),
            ],
        ),
        migrations.CreateModel(
            name="SelectionCode",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=30)),
                ("value", models.CharField(max_length=40)),
                ("number", models.IntegerField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("kind", "value"), name="selection_code_once"),
                    models.UniqueConstraint(fields=("kind", "number"), name="selection_number_once"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("kind", "prestations"), _negated=True),
                            ("number__range", (0, 62)),
                            _connector="OR",
                        ),
                        name="selection_bit_exists",
                    ),
                ],
            },
        ),
        migrations.RunSQL(spell(SELECT_ROWS + GIVE_CODES + FOLLOW), UNDO),
        migrations.RunSQL(spell(FILL), migrations.RunSQL.noop),
    ]
