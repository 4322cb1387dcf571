"""What a whole population or wave writes at once: codes compared by their bytes, numbers taken a thousand at a time.

Numbers that a session took and did not use are lost; nothing reads an order of time in them.
"""

from django.db import migrations, models

CACHE = "ALTER SEQUENCE {}_id_seq CACHE {}"


def take_by_thousands(table: str) -> migrations.RunSQL:
    return migrations.RunSQL(CACHE.format(table, 1_000), CACHE.format(table, 1))


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0021_emptied_cells"),
    ]

    operations = [
        migrations.AlterField(
            model_name="allocataire",
            name="email",
            field=models.CharField(blank=True, db_collation="C", max_length=254, verbose_name="e-mail"),
        ),
        migrations.AlterField(
            model_name="allocataire",
            name="matricule",
            field=models.CharField(db_collation="C", max_length=15, verbose_name="matricule"),
        ),
        migrations.AlterField(
            model_name="allocataire",
            name="mobile",
            field=models.CharField(blank=True, db_collation="C", max_length=16, verbose_name="mobile"),
        ),
        take_by_thousands("campaigns_allocataire"),
        take_by_thousands("campaigns_member"),
    ]
