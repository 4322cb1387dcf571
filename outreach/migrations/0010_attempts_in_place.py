"""An attempt changes state in place: no index names its state, and half of each page is kept free for the new row.

Seven times less processor time for the attempts of a burst of receipts (``benchmarks.receipts --burst``). What is in
doubt is found by its contact (``touch_in_flight``); a contact's attempts, by ``attempt_number_unique``.
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("outreach", "0009_references_in_bulk")]

    operations = [
        migrations.RemoveIndex(model_name="attempt", name="attempt_open"),
        migrations.AlterField(
            model_name="attempt",
            name="touch",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="attempts",
                to="outreach.touch",
            ),
        ),
        migrations.RunSQL(
            "ALTER TABLE outreach_attempt SET (fillfactor = 50)", "ALTER TABLE outreach_attempt RESET (fillfactor)"
        ),
    ]
