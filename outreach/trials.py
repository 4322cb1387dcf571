"""A text sent to whoever wrote it, to be read where people will read it: on a phone, in a mailbox.

No contact: no allocataire, no cap, no hours. But the same operator, the same pace and the same stop button.
"""

import logging
import time
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from campaigns.enums import CampaignStatus, Channel, TrialStatus
from campaigns.models import Allocataire, Opposition, Step, Trial, User
from campaigns.models.plan import example_values
from campaigns.oppositions import hash_destination
from campaigns.rules.contact_points import normalise_email, normalise_mobile
from campaigns.rules.messages import check_text, render, sms_parts
from campaigns.rules.trials import digest_text
from outreach.channels.failover import THROTTLED
from outreach.channels.opt_out import opt_out_url
from outreach.channels.ports import Gateway, OutgoingMessage, SendOutcome, SendResult
from outreach.channels.registry import gateway_for
from outreach.channels.wire import Wire
from outreach.fence import may_send
from outreach.models import Pause
from outreach.pacing import pacer_for
from outreach.rules.pacing import LONGEST_WAIT

logger = logging.getLogger(__name__)

DAILY_MAX = 40  # by each colleague
AGAIN_AFTER = timedelta(seconds=30)
NOTHING_LEFT = frozenset({TrialStatus.REFUSED, TrialStatus.LATER})
BEFORE_LAUNCH = frozenset({CampaignStatus.DRAFT, CampaignStatus.SUBMITTED, CampaignStatus.APPROVED})
STATUSES = {
    SendOutcome.ACCEPTED: TrialStatus.ACCEPTED,
    SendOutcome.REFUSED: TrialStatus.REFUSED,
    SendOutcome.RETRY: TrialStatus.LATER,
    SendOutcome.UNKNOWN: TrialStatus.UNKNOWN,
}


class TrialRefused(Exception):
    """A text that cannot be tried now; one French sentence with the way out."""


def change_mobile(*, user: User, mobile: str) -> str:
    """Remember where a colleague receives her trials; returns its E.164 form.

    Raises ``TrialRefused`` for what receives no SMS, and for a number of the population: a trial is for oneself.
    """
    number = normalise_mobile(mobile)
    if not number:
        raise TrialRefused("Ce numéro ne reçoit pas de SMS. Tapez votre mobile, par exemple 06 12 34 56 78.")
    if Allocataire.objects.filter(mobile=number).exists():
        raise TrialRefused("Ce numéro est celui d’un dossier allocataire. L’essai se fait sur un autre téléphone.")
    if number != user.mobile:
        user.mobile = number
        user.save(update_fields=["mobile"])
        logger.info("mobile of trials changed user=%s", user.pk)
    return number


def try_on_oneself(*, step: Step, by: User, now: datetime) -> Trial:
    """Send a step's text, with example values, to the colleague who asks; returns what the operator answered.

    The trial is written before the operator is called: whatever happens, it was counted. Raises ``TrialRefused``.
    """
    destination = _destination(step.channel, by)
    _check_campaign(step)
    _check_allowed(step.channel, destination, by, now)
    gateway = gateway_for(step.channel)
    trial = _write_down(step, by, now, provider=gateway.name)
    values = {**example_values(), "lien_opposition": opt_out_url(trial.uuid)}
    message = OutgoingMessage(
        attempt_uuid=trial.uuid,
        destination=destination,
        subject=render(step.subject, values),
        body=render(step.body, values),
        leave_by=time.monotonic() + LONGEST_WAIT,
    )
    result = _send(gateway, step.channel, message)
    # Its receipt may have come first, and says more.
    Trial.objects.filter(pk=trial.pk, status=TrialStatus.UNKNOWN).update(
        status=STATUSES[result.outcome], error_code=result.error_code[:40]
    )
    trial.refresh_from_db()
    logger.info("trial sent trial=%s status=%s", trial.pk, trial.status)
    return trial


def is_trial(attempt_uuid: UUID) -> bool:
    """Whether a message was a trial: what its reader presses then changes nothing."""
    return Trial.objects.filter(uuid=attempt_uuid).exists()


def _write_down(step: Step, by: User, now: datetime, *, provider: str) -> Trial:
    """Once, however often the button was pressed: the second press waits for the first, then finds its trial."""
    values = {"campaign": step.campaign, "by": by, "text_digest": digest_text(step)}
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=by.pk)
        if Trial.objects.filter(**values, at__gt=now - AGAIN_AFTER).exclude(status__in=NOTHING_LEFT).exists():
            raise TrialRefused("Vous venez de vous envoyer ce texte. Attendez-le une demi-minute avant de recommencer.")
        return Trial.objects.create(**values, channel=step.channel, at=now, provider=provider)


def _destination(channel: str, by: User) -> str:
    if channel == Channel.SMS:
        if not by.mobile:
            raise TrialRefused("Tapez d’abord le mobile sur lequel vous recevrez vos essais.")
        return change_mobile(user=by, mobile=by.mobile)
    if channel == Channel.EMAIL:
        if address := normalise_email(by.email):
            return address
        raise TrialRefused("Votre compte n’a pas d’adresse e-mail. Demandez à un administrateur de l’ajouter.")
    raise TrialRefused("Un appel ne s’essaie pas : lisez son texte à voix haute.")


def _check_campaign(step: Step) -> None:
    if step.campaign.status not in BEFORE_LAUNCH:
        raise TrialRefused("Cette campagne a été lancée : ses textes ne s’essaient plus.")
    if problems := check_text(step.channel, step.subject, step.body):
        raise TrialRefused(f"Ce texte ne peut pas partir : {' '.join(problems)}")


def _check_allowed(channel: str, destination: str, by: User, now: datetime) -> None:
    if not may_send(now=now):
        raise TrialRefused("Les envois sont fermés jusqu’à ce qu’un responsable les rouvre.")
    open_scopes = Pause.objects.filter(is_paused=False).values_list("scope", flat=True)
    if not {"", channel} <= set(open_scopes):
        raise TrialRefused("Les envois sont en pause. Refaites l’essai quand ils auront repris.")
    refusals = Opposition.objects.active().filter(destination_hash=hash_destination(destination))
    if refusals.filter(channel__in=["", channel]).exists():
        raise TrialRefused(
            "Quelqu’un a refusé nos messages depuis ce numéro ou cette adresse (vous, peut-être, en essayant STOP). "
            "Faites l’essai ailleurs, ou faites lever cette opposition."
        )
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    if Trial.objects.filter(by=by, at__gte=midnight).count() >= DAILY_MAX:
        raise TrialRefused(f"Vous avez fait {DAILY_MAX} essais aujourd’hui : c’est le maximum. Reprenez demain.")


def _send(gateway: Gateway, channel: str, message: OutgoingMessage) -> SendResult:
    """At an instant that the operator's contract allows, like any other message; not at all if that is too late."""
    pacer = pacer_for(provider=gateway.name, channel=channel)
    segments = sms_parts(message.body).segments if channel == Channel.SMS else 1
    wire = Wire(1, lambda gateway, message: gateway.send(message))
    result = None
    try:
        while result is None:  # an instant that had passed when it was known: it takes another, until ``leave_by``
            wire.leave(gateway, message, pacer.reserve([segments])[0])
            arrived = wire.collect(patience=LONGEST_WAIT + settings.SEND_DEADLINE_SECONDS + 1, gather=0)
            result = arrived[0].result if arrived else SendResult(SendOutcome.UNKNOWN)
    finally:
        wire.close()
    if result.error_code in THROTTLED:
        pacer.slow_down(result.retry_after)
    return result
