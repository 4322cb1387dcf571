"""Made-up figures for the page that shows the components."""

from typing import Any

from campaigns.admin.badges import Badge, campaign_badge
from campaigns.admin.charts import build_bar_chart, build_funnel, build_line_chart
from campaigns.enums import CampaignStatus


def build_samples() -> dict[str, Any]:
    """The context of ``settings/components.html``."""
    return {
        "badges": [campaign_badge(status) for status in CampaignStatus],
        "tones": [Badge(tone, tone, "●") for tone in ("success", "warning", "danger", "info", "neutral")],
        "bar_chart": build_bar_chart(
            "Par intercommunalité",
            [("Perpignan Méditerranée", 412), ("Roussillon Conflent", 96), ("Sud Roussillon", 51)],
        ),
        "funnel": build_funnel(
            "Du segment à la démarche",
            [
                ("Ciblés", 787, "787", "Personnes qui répondent aux critères la nuit du gel."),
                ("Retenus", 731, "731 sur 787 (92,9 %)", "Ciblés moins les exclusions, chacune avec sa raison."),
                ("Contactés", 655, "655 sur 731 (89,6 %)", "Au moins un envoi remis à l’opérateur."),
                ("Démarche déposée", 48, "48 sur 655 (7,3 %)", "Dans la fenêtre, d’un type attendu par le plan."),
            ],
        ),
        "line_chart": build_line_chart(
            "Démarches cumulées",
            [("Contactés", "1", _curve(0.0016)), ("Témoins", "control", _curve(0.0007))],
        ),
    }


def _curve(daily: float) -> list[tuple[int, float]]:
    return [(day, daily * day) for day in range(0, 61, 2)]
