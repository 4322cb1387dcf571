"""Replies that nobody has read hold the next contacts: they are looked for before each of them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("outreach", "0002_pauses")]
    operations = [
        migrations.AddIndex(
            model_name="reply",
            index=models.Index(condition=models.Q(("handled_at", None)), fields=["kind"], name="reply_unread"),
        )
    ]
