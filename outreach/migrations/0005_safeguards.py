"""First contacts of a wave, the fence after a restore, decisions on contacts. Waves already planned are open."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

OPEN_FENCE = "INSERT INTO outreach_fence (known_seq, reason, changed_by) VALUES (0, '', '')"
OPEN_WAVES = """
INSERT INTO outreach_canary (audience_id, size, released_at)
SELECT DISTINCT audience_id, 0, app_now() FROM outreach_touch"""


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0007_imported_lists_and_outcomes"),
        ("outreach", "0004_inbound_index"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Canary",
            fields=[
                (
                    "audience",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="canary",
                        serialize=False,
                        to="campaigns.audience",
                    ),
                ),
                ("size", models.PositiveIntegerField(verbose_name="premiers contacts")),
                ("released_at", models.DateTimeField(null=True, verbose_name="vague ouverte le")),
            ],
            options={
                "verbose_name": "premiers contacts d’une vague",
                "verbose_name_plural": "premiers contacts des vagues",
            },
        ),
        migrations.CreateModel(
            name="Fence",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("known_seq", models.BigIntegerField(default=0)),
                ("closed_at", models.DateTimeField(null=True, verbose_name="fermée le")),
                ("reason", models.CharField(blank=True, max_length=300, verbose_name="raison")),
                ("recovered_at", models.DateTimeField(null=True, verbose_name="rapprochée le")),
                ("changed_by", models.CharField(blank=True, max_length=150, verbose_name="par")),
            ],
            options={
                "verbose_name": "barrière des envois",
                "verbose_name_plural": "barrière des envois",
            },
        ),
        migrations.AddField(
            model_name="touch",
            name="is_canary",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AlterField(
            model_name="touch",
            name="reason",
            field=models.CharField(
                blank=True,
                choices=[
                    ("OPPOSITION", "Opposition à être contactée"),
                    ("REGULARISE", "Démarche déjà faite"),
                    ("PRESSION", "Plafond de contacts atteint"),
                    ("DOSSIER_CLOS", "Dossier clos"),
                    ("DECES", "Personne décédée"),
                    ("TUTELLE", "Mesure de protection"),
                    ("SANS_ADRESSE", "Aucune adresse pour ce canal"),
                    ("ADRESSE_PARTAGEE", "Adresse partagée, déjà contactée"),
                    ("VALEUR_MANQUANTE", "Texte impossible : une donnée manque"),
                    ("ARRETS_REPETES", "Trois expéditeurs se sont arrêtés en le préparant"),
                    ("JOURNAL_PERDU", "Peut-être envoyé avant la restauration"),
                ],
                max_length=16,
                verbose_name="raison",
            ),
        ),
        migrations.CreateModel(
            name="TouchDecision",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("decision", models.CharField(max_length=10, verbose_name="décision")),
                ("at", models.DateTimeField(verbose_name="le")),
                ("reason", models.CharField(blank=True, max_length=300, verbose_name="raison")),
                (
                    "by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="par",
                    ),
                ),
                (
                    "touch",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="decisions", to="outreach.touch"
                    ),
                ),
            ],
            options={
                "verbose_name": "décision sur un contact",
                "verbose_name_plural": "décisions sur des contacts",
                "ordering": ["at"],
            },
        ),
        migrations.CreateModel(
            name="LostIntent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("attempt_uuid", models.UUIDField(unique=True)),
                ("destination_hash", models.CharField(max_length=64)),
                ("at", models.DateTimeField(verbose_name="partie le")),
                (
                    "step",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="campaigns.step",
                    ),
                ),
            ],
            options={
                "verbose_name": "envoi d’avant la restauration",
                "verbose_name_plural": "envois d’avant la restauration",
                "indexes": [models.Index(fields=["step", "destination_hash"], name="lost_intent")],
            },
        ),
        migrations.RunSQL(OPEN_FENCE, migrations.RunSQL.noop),
        migrations.RunSQL(OPEN_WAVES, migrations.RunSQL.noop),
    ]
