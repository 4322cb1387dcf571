"""Each campaign holds the rules of its plan (docs/adr/0017). Those under way take what their plan says today, outside of
what was approved: their fingerprint stays."""

import django.contrib.postgres.fields
from django.db import migrations, models

COPY = """
UPDATE campaigns_campaign c
   SET theme = p.theme, reentry_days = p.reentry_days, is_sensitive = p.is_sensitive, sensitive_days = p.sensitive_days,
       is_exempt_from_cap = p.is_exempt_from_cap, allows_resend = p.allows_resend, pins_rules = false,
       expected_kinds = ARRAY(SELECT e.regularisationkind_id FROM campaigns_plan_expected_kinds e
                               WHERE e.plan_id = p.id ORDER BY 1)
  FROM campaigns_plan p WHERE p.id = c.plan_id
"""


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0015_trials"),
    ]

    operations = [
        migrations.AddField(
            model_name="campaign",
            name="allows_resend",
            field=models.BooleanField(db_default=False, editable=False, verbose_name="un renvoi permis"),
        ),
        migrations.AddField(
            model_name="campaign",
            name="expected_kinds",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=40),
                default=list,
                editable=False,
                size=None,
                verbose_name="régularisations attendues",
            ),
        ),
        migrations.AddField(
            model_name="campaign",
            name="is_exempt_from_cap",
            field=models.BooleanField(db_default=False, editable=False, verbose_name="hors plafond"),
        ),
        migrations.AddField(
            model_name="campaign",
            name="is_sensitive",
            field=models.BooleanField(db_default=False, editable=False, verbose_name="thème sensible"),
        ),
        migrations.AddField(
            model_name="campaign",
            name="pins_rules",
            field=models.BooleanField(db_default=True, default=True, editable=False),
        ),
        migrations.AddField(
            model_name="campaign",
            name="reentry_days",
            field=models.PositiveSmallIntegerField(
                db_default=90, editable=False, verbose_name="délai de retour (jours)"
            ),
        ),
        migrations.AddField(
            model_name="campaign",
            name="sensitive_days",
            field=models.PositiveSmallIntegerField(
                db_default=730, editable=False, verbose_name="délai du thème sensible (jours)"
            ),
        ),
        migrations.AddField(
            model_name="campaign",
            name="theme",
            field=models.CharField(db_default="", editable=False, max_length=40, verbose_name="thème"),
        ),
        migrations.RunSQL(COPY, migrations.RunSQL.noop),
    ]
