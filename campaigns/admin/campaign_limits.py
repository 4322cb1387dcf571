"""What limits a campaign, in French: whose contacts fill the cap, its turn in the night, what its témoins show."""

from typing import Any

from campaigns.admin.charts import french_percent
from campaigns.enums import Exclusion
from campaigns.models import Campaign, RegularisationKind
from campaigns.rules.french import french_number
from campaigns.rules.power import POOR_EFFECT, Power
from campaigns.simulation import Simulation

MAX_BEFORE = 10


def describe_limits(campaign: Campaign, simulation: Simulation) -> dict[str, Any]:
    """The context of ``campaigns/limits.html``."""
    at_cap = sum(row.people for row in simulation.exclusions if row.code == Exclusion.CAP)
    return {
        "cap_sources": simulation.cap_sources,
        "cap_people": say_people(at_cap),
        "overridden": say_people(simulation.overridden) if simulation.overridden else "",
        "priority_text": _say_priority(campaign, len(simulation.before)),
        "before": simulation.before[:MAX_BEFORE],
        "power_text": say_power(simulation.power, simulation.retained, float(campaign.control_share)),
        "power_advice": say_advice(simulation.power, simulation.retained),
    }


def say_rules(campaign: Campaign) -> str:
    """What it holds of its plan, as it will be approved or was: « Thème « vie-maritale », sensible : … »"""
    if campaign.is_editable:
        campaign.pin_rules_of_plan()
    kinds = RegularisationKind.objects.filter(pk__in=campaign.expected_kinds).values_list("label", flat=True)
    protected = f", sensible : {campaign.sensitive_days} jours sans nouveau contact" if campaign.is_sensitive else ""
    sentences = [
        f"Thème « {campaign.theme} »{protected}",
        f"Retour possible après {campaign.reentry_days} jours",
        "Message de service, hors plafond" if campaign.is_exempt_from_cap else "Compte dans le plafond de contacts",
        f"Régularisations attendues : {', '.join(kinds) or 'aucune'}",
    ]
    if campaign.allows_resend:
        sentences.insert(3, "Un renvoi permis si l’opérateur ne sait rien")
    return ". ".join(sentences) + "."


def say_people(count: int) -> str:
    return f"{french_number(count)} personne{'s' if count > 1 else ''}"


def _say_priority(campaign: Campaign, before: int) -> str:
    text = f"Priorité {campaign.priority} (1 : la plus haute). La nuit sert les campagnes dans cet ordre : "
    if not before:
        return text + "aucune campagne en cours ne réserve ses contacts avant celle-ci."
    return text + f"{before} campagne{'s' if before > 1 else ''} en cours réserve{'nt' if before > 1 else ''} avant :"


def say_power(power: Power, people: int, control_share: float) -> str:
    """One sentence: the smallest effect that would show with this share of témoins."""
    if not control_share:
        return "Sans témoins, le bilan donnera un taux observé, pas un effet."
    witnesses = f"Avec {french_percent(control_share)} de témoins sur {say_people(people)}"
    if power.effect is None:
        return f"{witnesses}, aucun effet ne pourrait être montré."
    points = f"{100 * power.effect:.2f}".replace(".", ",")
    return f"{witnesses}, le bilan ne pourra montrer qu’un effet d’au moins {points} points."


def say_advice(power: Power, people: int) -> list[str]:
    """What would help when little can be shown; nothing otherwise."""
    if not power.is_poor:
        return []
    goal = f"{100 * POOR_EFFECT:.0f} points"
    advice = []
    if power.better_share:
        share = french_percent(power.better_share)
        advice.append(f"Une part de témoins de {share} suffirait pour montrer un effet de {goal}.")
    if power.needed and power.needed > people:
        lead = "Ou regrouper" if advice else "Regrouper"
        advice.append(
            f"{lead} plusieurs vagues, ou plusieurs campagnes dans un programme : à cette part de témoins, "
            f"{say_people(power.needed)} montreraient un effet de {goal}."
        )
    return advice or ["Un effet plus fort que 3 points, ou plus de personnes, serait nécessaire."]
