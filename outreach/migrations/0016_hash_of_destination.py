"""Contacts found by their destination: a third of the room."""

import django.contrib.postgres.indexes
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0017_fewer_indexes"),
        ("outreach", "0015_outage"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="touch",
            name="touch_destination",
        ),
        migrations.AddIndex(
            model_name="touch",
            index=django.contrib.postgres.indexes.HashIndex(
                condition=models.Q(("destination_hash", ""), _negated=True),
                fields=["destination_hash"],
                name="touch_destination",
            ),
        ),
    ]
