"""As in 0011, for the narrow rows that follow the allocataires: theirs are rewritten with them."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0011_room_for_refresh")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE campaigns_selectionrow SET (fillfactor = 90)",
            "ALTER TABLE campaigns_selectionrow RESET (fillfactor)",
        )
    ]
