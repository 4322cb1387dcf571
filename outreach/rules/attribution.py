"""Which régularisations count for a campaign. The definition, its version and the window; SQL applies them to rows."""

from dataclasses import dataclass
from datetime import date, timedelta

RULE_VERSION = 1  # stored beside each result; to be raised with any change of what is attributed

DEFINITION = (
    "Une régularisation compte pour une campagne quand son type est attendu par le plan, qu’elle est celle d’une "
    "personne retenue (témoin ou bras contacté) et que sa date tombe entre la nuit du lancement de sa vague et la fin "
    "de la fenêtre, les deux jours compris. L’horloge est la même pour tous les bras. De chaque étape, la première "
    "est gardée ; de chaque nature de montant, le premier montant."
)


@dataclass(frozen=True)
class Window:
    """Local days, both included, in which what a person does counts."""

    opens_on: date
    closes_on: date

    def __contains__(self, day: date) -> bool:
        return self.opens_on <= day <= self.closes_on


def window_of(launched_on: date, window_days: int) -> Window:
    """The window of a wave: from its night, for ``window_days`` days after it (decisions: Attribution)."""
    return Window(launched_on, launched_on + timedelta(days=window_days))
