"""The address of the opt-out page: signed, for one attempt, with nothing personal in it."""

from uuid import UUID

from django.conf import settings
from django.core.signing import BadSignature, Signer

_SALT = "outreach.opt_out"


def opt_out_url(attempt_uuid: UUID) -> str:
    """Absolute address. It does not expire: an old message must still let its reader refuse the next ones."""
    return f"{settings.PUBLIC_BASE_URL.rstrip('/')}/stop/{Signer(salt=_SALT).sign(attempt_uuid.hex)}/"


def read_opt_out_token(token: str) -> UUID | None:
    """The attempt of a token that we signed; None for any other."""
    try:
        return UUID(Signer(salt=_SALT).unsign(token))
    except (BadSignature, ValueError):
        return None
