"""Steps that answer whoever replies to an SMS, and nobody else: what keeps such a step from being played."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from campaigns.enums import AFTER_REPLY, Channel

Values = Mapping[str, Any]


def find_answer_problems(steps: Iterable[Values], arms: Iterable[str]) -> list[str]:
    """What is wrong with the automatic answers among the steps of a plan or campaign (French sentences).

    ``steps``: label, channel, arm (empty: all of ``arms``), anchor, offset_days.
    """
    steps, arms = list(steps), list(arms)
    answers = [step for step in steps if step["anchor"] == AFTER_REPLY]
    planned = [step for step in steps if step["anchor"] != AFTER_REPLY]
    problems = [
        f"L’étape « {step['label']} » {reason}" for step in answers for reason in _problems(step, planned, arms)
    ]
    twice = sorted(arm for arm in arms if sum(_reaches(step, arm) for step in answers) > 1)
    return problems + [
        f"Le bras « {arm} » a plusieurs réponses automatiques : une personne en reçoit une." for arm in twice
    ]


def _problems(step: Values, planned: Sequence[Values], arms: Sequence[str]) -> Iterable[str]:
    if step["channel"] != Channel.SMS:
        yield "est une réponse automatique : c’est un SMS, comme ce à quoi elle répond."
    if step["offset_days"]:
        yield "est une réponse automatique : son décalage est de 0 jour, elle part à la prochaine plage horaire."
    texts = [one for one in planned if one["channel"] == Channel.SMS]
    if not any(_reaches(step, arm) and _reaches(text, arm) for arm in arms for text in texts):
        yield "est une réponse automatique, mais aucun SMS n’est prévu avant elle : personne n’y répondra."


def _reaches(step: Values, arm: str) -> bool:
    return step["arm"] in ("", arm)
