"""Audiences to look at: frozen on the usual night, and a campaign's two arms."""

from datetime import date, datetime

from campaigns.audiences import freeze_audience
from campaigns.enums import Channel
from campaigns.models import Audience, Campaign
from tests.factories import NIGHT, NOW, step_values

TWO_ARMS = [{"code": "SMS", "label": "SMS", "share": 1}, {"code": "APPEL", "label": "Appel", "share": 1}]
TWO_ARM_STEPS = [step_values(arm="SMS"), step_values(Channel.CALL, arm="APPEL", position=2)]


def freeze(campaign: Campaign, *, night: date = NIGHT, now: datetime = NOW) -> Audience:
    audience = freeze_audience(campaign=campaign, night_on=night, now=now)
    assert audience is not None
    return audience
