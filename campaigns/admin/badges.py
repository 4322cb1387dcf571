"""A state as a badge: a sign, a word and a tone. Never colour alone."""

from dataclasses import dataclass

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from campaigns.enums import CampaignStatus


@dataclass(frozen=True)
class Badge:
    label: str
    tone: str  # success, warning, danger, info, neutral
    sign: str

    def render(self) -> SafeString:
        return render_to_string("components/badge.html", {"badge": self})


CAMPAIGN_TONES = {
    CampaignStatus.DRAFT: ("neutral", "✎"),
    CampaignStatus.SUBMITTED: ("warning", "⧗"),
    CampaignStatus.APPROVED: ("info", "✓"),
    CampaignStatus.RUNNING: ("success", "▶"),
    CampaignStatus.PAUSED: ("danger", "⏸"),
    CampaignStatus.CLOSED: ("neutral", "■"),
    CampaignStatus.CANCELLED: ("neutral", "✕"),
}


def campaign_badge(status: str) -> Badge:
    known = CampaignStatus(status)
    tone, sign = CAMPAIGN_TONES[known]
    return Badge(str(known.label), tone, sign)
