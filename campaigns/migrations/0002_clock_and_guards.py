"""What the database itself guarantees: one clock, frozen members, an append-only access log."""

from django.db import migrations

APP_NOW = """
CREATE FUNCTION app_now() RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT statement_timestamp() + COALESCE(
        (SELECT shift FROM campaigns_clockshift
          WHERE current_setting('aller_vers.movable_clock', true) = 'on' LIMIT 1),
        interval '0')
$$;
"""

REFUSE = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: rows are never changed', TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER member_is_frozen BEFORE UPDATE ON campaigns_member
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER access_log_is_append_only BEFORE UPDATE OR DELETE ON campaigns_accesslog
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""

UNDO = """
DROP TRIGGER access_log_is_append_only ON campaigns_accesslog;
DROP TRIGGER member_is_frozen ON campaigns_member;
DROP FUNCTION refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0001_initial")]
    operations = [
        migrations.RunSQL(APP_NOW, "DROP FUNCTION app_now();"),
        migrations.RunSQL(REFUSE, UNDO),
    ]
