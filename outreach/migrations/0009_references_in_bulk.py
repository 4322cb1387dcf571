"""A contact refers to its member (with its audience, campaign and person) and to a step, held by the statement."""

from importlib import import_module

from django.db import migrations

bulk = import_module("campaigns.migrations.0014_references_in_bulk")

OF_MEMBER = "member_id, audience_id, campaign_id, allocataire_id"


class Migration(migrations.Migration):
    dependencies = [("outreach", "0008_bounce_reports"), ("campaigns", "0014_references_in_bulk")]
    operations = [
        bulk.unconstrained("touch", "member", "campaigns.member", "touches", db_index=False),
        bulk.unconstrained("touch", "step", "campaigns.step", "touches", db_index=False),
        bulk.unconstrained("touch", "campaign", "campaigns.campaign", "touches", db_index=False),
        bulk.unconstrained("touch", "audience", "campaigns.audience", "touches", db_index=False),
        bulk.unconstrained("touch", "allocataire", "campaigns.allocataire", "touches"),
        bulk.hold(
            "many",
            "touch_member",
            "outreach_touch",
            OF_MEMBER,
            "campaigns_member",
            OF_MEMBER.replace("member_id", "id"),
        ),
        bulk.hold("few", "touch_step", "outreach_touch", "step_id, campaign_id", "campaigns_step", "id, campaign_id"),
        bulk.never_change("outreach_touch", "member_id", "step_id", "campaign_id", "audience_id", "allocataire_id"),
        bulk.never_change("campaigns_step", "id", "campaign_id"),
    ]
