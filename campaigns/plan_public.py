"""The public that a plan foresees, as a segment one can read and reuse."""

from itertools import count

from campaigns.models import Plan, Segment, User


def segment_of_plan(*, plan: Plan, by: User) -> Segment:
    """The segment that holds this version of the plan's criteria; made the first time it is asked for.

    One that was changed since, or that is of a plan of the same name, is left to itself: another is made beside it.
    """
    name = f"{plan.name[:75]} (plan, version {plan.version})"
    if same := Segment.objects.filter(name__startswith=name, criteria=plan.criteria).order_by("pk").first():
        return same
    taken = set(Segment.objects.filter(name__startswith=name).values_list("name", flat=True))
    names = (f"{name}{f', {number}' if number > 1 else ''}" for number in count(1))
    free = next(each for each in names if each not in taken)
    return Segment.objects.create(name=free, criteria=plan.criteria, description=plan.purpose, created_by=by)
