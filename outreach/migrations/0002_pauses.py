"""The stop buttons exist from the first day: a missing one would keep everything stopped."""

from django.db import migrations


def create_pauses(apps, schema_editor):  # type: ignore[no-untyped-def]
    pause = apps.get_model("outreach", "Pause")
    pause.objects.bulk_create([pause(scope=scope) for scope in ("", "SMS", "EMAIL", "CALL")], ignore_conflicts=True)


class Migration(migrations.Migration):
    dependencies = [("outreach", "0001_initial")]
    operations = [migrations.RunPython(create_pauses, migrations.RunPython.noop)]
