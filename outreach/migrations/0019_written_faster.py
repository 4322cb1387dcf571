"""A wave takes the numbers of its contacts a thousand at a time, see campaigns 0022."""

from django.db import migrations

CACHE = "ALTER SEQUENCE outreach_touch_id_seq CACHE {}"


class Migration(migrations.Migration):
    dependencies = [("outreach", "0018_night_tries")]
    operations = [migrations.RunSQL(CACHE.format(1_000), CACHE.format(1))]
