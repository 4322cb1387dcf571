"""Indexes that nothing reads go; cap and history read one of counted contacts only (docs/adr/0018)."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0016_campaign_rules"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="contactfact",
            name="fact_at",
        ),
        migrations.RemoveIndex(
            model_name="member",
            name="member_campaign_person",
        ),
        migrations.RemoveField(
            model_name="contactfact",
            name="id",
        ),
        migrations.AlterField(
            model_name="allocataire",
            name="commune",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="campaigns.commune",
                verbose_name="commune",
            ),
        ),
        migrations.AlterField(
            model_name="contactfact",
            name="campaign",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="campaigns.campaign",
            ),
        ),
        migrations.AlterField(
            model_name="contactfact",
            name="touch_ref",
            field=models.BigIntegerField(primary_key=True, serialize=False, verbose_name="contact"),
        ),
        migrations.AddIndex(
            model_name="contactfact",
            index=models.Index(
                condition=models.Q(("state__in", ["RESERVE", "REMIS_OPERATEUR", "INCERTAIN", "REMIS", "REPONDU"])),
                fields=["at"],
                include=("allocataire", "campaign", "is_exempt"),
                name="fact_at",
            ),
        ),
    ]
