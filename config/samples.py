"""Made-up figures for the page that shows the components."""

from datetime import date, timedelta
from typing import Any

from campaigns.admin.badges import Badge, campaign_badge
from campaigns.admin.charts import build_bar_chart, build_funnel, build_line_chart
from campaigns.enums import CampaignStatus

START = date(2026, 3, 3)


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
                ("Ciblés", 787, None, "Personnes qui répondent aux critères la nuit du gel."),
                ("Retenus", 731, 787, "Ciblés moins les exclusions, chacune avec sa raison."),
                ("Contactés", 655, 731, "Au moins un envoi remis à l’opérateur."),
                ("Démarche déposée", 48, 655, "Dans la fenêtre, d’un type attendu par le plan."),
            ],
        ),
        "line_chart": build_line_chart(
            "Démarches cumulées",
            [("Contactés", "1", _curve(0.0016)), ("Témoins", "control", _curve(0.0007))],
        ),
    }


def _curve(daily: float) -> list[tuple[date, float]]:
    return [(START + timedelta(days=day), daily * day) for day in range(0, 61, 2)]
