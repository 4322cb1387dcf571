"""The public that a plan foresees, as a segment one can read and reuse."""

from campaigns.models import Plan, Segment, User


def segment_of_plan(*, plan: Plan, by: User) -> Segment:
    """The segment that holds this version of the plan's criteria; made the first time it is asked for."""
    name = f"{plan.name[:95]} (plan, version {plan.version})"
    values = {"criteria": plan.criteria, "description": plan.purpose, "created_by": by}
    return Segment.objects.get_or_create(name=name, defaults=values)[0]
