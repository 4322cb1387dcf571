from outreach.models.call import Call, CallAttempt, CallHandover, CallResultImport
from outreach.models.night import Night, NightStep
from outreach.models.pace import Outage, ProviderPace
from outreach.models.provider_event import InboundPoll, MailboxPlace, ProviderEvent
from outreach.models.regularisation import AMOUNT_FIELDS, Outcome, Regularisation, RegularisationImport
from outreach.models.reply import Reply
from outreach.models.safeguard import Canary, Fence, LostIntent, TouchDecision
from outreach.models.touch import Attempt, Pause, Touch

__all__ = [
    "AMOUNT_FIELDS",
    "Attempt",
    "Call",
    "CallAttempt",
    "CallHandover",
    "CallResultImport",
    "Canary",
    "Fence",
    "InboundPoll",
    "LostIntent",
    "MailboxPlace",
    "Night",
    "NightStep",
    "Outage",
    "Outcome",
    "Pause",
    "ProviderEvent",
    "ProviderPace",
    "Regularisation",
    "RegularisationImport",
    "Reply",
    "Touch",
    "TouchDecision",
]
