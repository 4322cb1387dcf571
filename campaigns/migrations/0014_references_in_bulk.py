"""References of the rows written a whole wave at a time, held by the statement instead of by the row (docs/adr/0014).

Two ways, both exact under READ COMMITTED. Few parents (a campaign, a step): locked FOR KEY SHARE, as a foreign key does.
Many (persons, members): only looked up; whoever deletes some waits for the writers of the children, and they for him.
"""

import django.db.models.deletion
from django.db import migrations, models

# Arguments of the triggers: other table, columns of the child, columns of the parent.
FUNCTIONS = r"""
CREATE FUNCTION hold_few_references() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    is_held boolean;
BEGIN
    EXECUTE format(
        'WITH w AS MATERIALIZED (SELECT DISTINCT %2$s FROM written)
         SELECT (SELECT count(*) FROM (SELECT FROM %1$I p WHERE (%3$s) IN (SELECT %2$s FROM w) FOR KEY SHARE OF p) k)
              = (SELECT count(*) FROM w)', TG_ARGV[0], TG_ARGV[1], TG_ARGV[2])
       INTO is_held;
    IF NOT is_held THEN
        RAISE EXCEPTION 'rows of % refer by (%) to what is not in %', TG_TABLE_NAME, TG_ARGV[1], TG_ARGV[0]
              USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION hold_many_references() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    is_held boolean;
BEGIN
    EXECUTE format('SELECT NOT EXISTS (SELECT FROM written WHERE NOT EXISTS (SELECT FROM %I p WHERE (%s) = (%s)))',
                   TG_ARGV[0], regexp_replace(TG_ARGV[1], '\w+', 'written.\&', 'g'),
                   regexp_replace(TG_ARGV[2], '\w+', 'p.\&', 'g'))
       INTO is_held;
    IF NOT is_held THEN
        RAISE EXCEPTION 'rows of % refer by (%) to what is not in %', TG_TABLE_NAME, TG_ARGV[1], TG_ARGV[0]
              USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION refuse_orphans() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    is_orphaned boolean;
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF NOT EXISTS (SELECT FROM gone) THEN RETURN NULL; END IF;
    END IF;
    IF TG_ARGV[3] = 'many' THEN EXECUTE format('LOCK TABLE %I IN SHARE MODE', TG_ARGV[0]); END IF;
    EXECUTE CASE TG_OP
        WHEN 'TRUNCATE' THEN format('SELECT EXISTS (SELECT FROM %I)', TG_ARGV[0])
        ELSE format('SELECT EXISTS (SELECT FROM %I WHERE (%s) IN (SELECT %s FROM gone))',
                    TG_ARGV[0], TG_ARGV[1], TG_ARGV[2]) END
       INTO is_orphaned;
    IF is_orphaned THEN
        RAISE EXCEPTION 'rows of % still refer to those of %', TG_ARGV[0], TG_TABLE_NAME
              USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
"""

HOLD = """
CREATE TRIGGER {name}_held AFTER INSERT ON {child} REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION hold_{how}_references('{parent}', '{columns}', '{keys}');
CREATE TRIGGER {name}_kept AFTER DELETE ON {parent} REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_orphans('{child}', '{columns}', '{keys}', '{how}');
CREATE TRIGGER {name}_whole AFTER TRUNCATE ON {parent}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_orphans('{child}', '{columns}', '{keys}', '{how}');
"""
LET_GO = """
DROP TRIGGER {name}_held ON {child};
DROP TRIGGER {name}_kept ON {parent};
DROP TRIGGER {name}_whole ON {parent};
"""
NEVER_CHANGE = """
CREATE TRIGGER {table}_stays BEFORE UPDATE OF {columns} ON {table} FOR EACH ROW
    WHEN (({old}) IS DISTINCT FROM ({new})) EXECUTE FUNCTION refuse_change();
"""


def hold(how: str, name: str, child: str, columns: str, parent: str, keys: str) -> migrations.RunSQL:
    values = {"how": how, "name": name, "child": child, "columns": columns, "parent": parent, "keys": keys}
    return migrations.RunSQL(HOLD.format(**values), LET_GO.format(**values))


def never_change(table: str, *columns: str) -> migrations.RunSQL:
    old, new = (", ".join(f"{version}.{column}" for column in columns) for version in ("OLD", "NEW"))
    return migrations.RunSQL(
        NEVER_CHANGE.format(table=table, columns=", ".join(columns), old=old, new=new),
        f"DROP TRIGGER {table}_stays ON {table}",
    )


def unconstrained(
    model: str, name: str, to: str, related_name: str, on_delete=django.db.models.deletion.PROTECT, **more
):
    return migrations.AlterField(
        model,
        name,
        models.ForeignKey(on_delete=on_delete, to=to, related_name=related_name, db_constraint=False, **more),
    )


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0013_import_differences")]
    operations = [
        unconstrained("member", "audience", "campaigns.audience", "members", db_index=False),
        unconstrained("member", "campaign", "campaigns.campaign", "members", db_index=False),
        unconstrained("member", "allocataire", "campaigns.allocataire", "memberships"),
        unconstrained(
            "contactfact",
            "allocataire",
            "campaigns.allocataire",
            "contact_facts",
            django.db.models.deletion.CASCADE,
            db_index=False,
        ),
        unconstrained("contactfact", "campaign", "campaigns.campaign", "+"),
        migrations.RunSQL(FUNCTIONS, "DROP FUNCTION hold_few_references, hold_many_references, refuse_orphans"),
        hold(
            "few",
            "member_audience",
            "campaigns_member",
            "audience_id, campaign_id",
            "campaigns_audience",
            "id, campaign_id",
        ),
        hold("many", "member_person", "campaigns_member", "allocataire_id", "campaigns_allocataire", "id"),
        hold("many", "fact_person", "campaigns_contactfact", "allocataire_id", "campaigns_allocataire", "id"),
        hold("few", "fact_campaign", "campaigns_contactfact", "campaign_id", "campaigns_campaign", "id"),
        never_change("campaigns_contactfact", "allocataire_id", "campaign_id"),
        never_change("campaigns_audience", "id", "campaign_id"),
        never_change("campaigns_allocataire", "id"),
        never_change("campaigns_campaign", "id"),
    ]
