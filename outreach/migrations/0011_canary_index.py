"""The first contacts of the waves that wait are read every five seconds, a few among all contacts."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0014_references_in_bulk"),
        ("outreach", "0010_attempts_in_place"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="touch",
            index=models.Index(condition=models.Q(("is_canary", True)), fields=["audience"], name="touch_canary"),
        ),
    ]
