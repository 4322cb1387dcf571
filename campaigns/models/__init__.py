from campaigns.models.access import AccessLog
from campaigns.models.allocataire import Allocataire, ExtraAttribute
from campaigns.models.audience import Audience, ContactFact, Member
from campaigns.models.bad_destination import BadDestination
from campaigns.models.campaign import Campaign, CampaignMove, Programme, Step
from campaigns.models.clock import AppNow, ClockShift, read_now, set_clock
from campaigns.models.imported_list import ImportedList, ListEntry
from campaigns.models.imports import (
    ColumnMapping,
    DifferenceKind,
    EmptiedCell,
    IdentityChange,
    ImportStatus,
    PopulationDifference,
    PopulationImport,
    RejectedLine,
)
from campaigns.models.opposition import Opposition
from campaigns.models.plan import Plan, PlanStep, RegularisationKind
from campaigns.models.planner import refresh_statistics
from campaigns.models.segment import Segment, SegmentCount
from campaigns.models.selection import HasAnyBit, Never, PrestationBits, SelectionCode, SelectionRow
from campaigns.models.territory import Commune, Epci
from campaigns.models.trial import Trial
from campaigns.models.user import User

__all__ = [
    "AccessLog",
    "Allocataire",
    "AppNow",
    "Audience",
    "BadDestination",
    "Campaign",
    "CampaignMove",
    "ClockShift",
    "ColumnMapping",
    "Commune",
    "ContactFact",
    "DifferenceKind",
    "EmptiedCell",
    "Epci",
    "ExtraAttribute",
    "HasAnyBit",
    "IdentityChange",
    "ImportStatus",
    "ImportedList",
    "ListEntry",
    "Member",
    "Never",
    "Opposition",
    "Plan",
    "PlanStep",
    "PopulationDifference",
    "PopulationImport",
    "PrestationBits",
    "Programme",
    "RegularisationKind",
    "RejectedLine",
    "Segment",
    "SegmentCount",
    "SelectionCode",
    "SelectionRow",
    "Step",
    "Trial",
    "User",
    "read_now",
    "refresh_statistics",
    "set_clock",
]
