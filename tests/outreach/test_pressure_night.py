"""Two campaigns of one night see each other: the first to reserve takes the people, the second says why it cannot."""

import pytest

from campaigns.enums import Exclusion
from campaigns.explanations import explain_campaign
from campaigns.models import ContactFact, Member
from outreach.enums import NightStatus
from outreach.models import Touch
from outreach.night import run_night
from tests.factories import NIGHT, NOW, make_allocataires, make_running_campaign

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("priorities", "first"), [((50, 10), 1), ((10, 50), 0), ((50, 50), 0)])
def test_the_same_public_is_contacted_once_by_the_most_pressing(priorities: tuple[int, int], first: int) -> None:
    people = make_allocataires(3)
    campaigns = [
        make_running_campaign(expected_size=3, priority=priority, starts_on=NIGHT, name=f"Campagne {place}")
        for place, priority in enumerate(priorities)
    ]
    assert run_night(on=NIGHT, now=NOW).status == NightStatus.DONE
    served, refused = campaigns[first], campaigns[1 - first]
    assert Touch.objects.filter(campaign=served).count() == ContactFact.objects.count() == 3
    assert not Touch.objects.filter(campaign=refused).exists()
    assert set(Member.objects.filter(campaign=refused).values_list("exclusion", flat=True)) == {Exclusion.CAP}
    causes = explain_campaign(allocataire=people[0], campaign=refused, now=NOW).waves[0].causes
    assert causes[1] == f"SMS de « {served.name} » le 03/03/2026 (Prévu)."
