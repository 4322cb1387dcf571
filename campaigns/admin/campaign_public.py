"""The public of a campaign in one French sentence, for whoever submits, approves or launches it."""

from campaigns.models import Campaign
from campaigns.rules.criteria import InvalidCriteria
from campaigns.segments import explain_criteria

CHOSEN_BY = {"soumettre", "approuver", "lancer"}  # moves that decide about the public


def say_public(campaign: Campaign) -> str:
    """The criteria that were submitted; those of the segment while the campaign is a draft."""
    criteria = campaign.segment.criteria if campaign.is_editable or not campaign.criteria else campaign.criteria
    try:
        return explain_criteria(criteria)
    except InvalidCriteria as problem:
        return f"Ces critères ne peuvent plus être lus : {' '.join(problem.errors)}"
