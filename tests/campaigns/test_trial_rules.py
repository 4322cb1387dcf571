import pytest

from campaigns.enums import Channel
from campaigns.models import Step
from campaigns.rules.trials import digest_text, find_untried


def step(**values) -> Step:
    return Step(**{"label": "Relance", "channel": Channel.SMS, "subject": "", "body": "Caf : bonjour.", **values})


@pytest.mark.parametrize(
    "changed", [{"channel": Channel.EMAIL}, {"subject": "Votre dossier"}, {"body": "Caf : bonsoir."}]
)
def test_a_changed_text_is_another_text(changed) -> None:
    assert digest_text(step(**changed)) != digest_text(step())


@pytest.mark.parametrize("changed", [{"label": "Rappel"}, {"offset_days": 8}, {"position": 3}])
def test_the_same_text_elsewhere_is_the_same_text(changed) -> None:
    assert digest_text(step(**changed)) == digest_text(step())


def test_each_message_that_nobody_received_is_named_and_calls_are_not() -> None:
    steps = [step(), step(label="E-mail", channel=Channel.EMAIL), step(label="Appel", channel=Channel.CALL)]
    assert [problem.split(" :")[0] for problem in find_untried(steps, {digest_text(steps[0])})] == ["Étape « E-mail »"]
    assert find_untried(steps, {digest_text(one) for one in steps}) == []
