"""What the simulated operator and the people do, drawn from a seed: the same message meets the same fate each time."""

from dataclasses import dataclass
from hashlib import sha256

GSM7_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM7_EXTENDED = frozenset("^{}\\[~]|€\f")

STOP_TEXTS = ("STOP", "Stop", "stop svp", "Arrêtez", "STOP !!!", "stop merci", "Arretez de m’envoyer des sms", "Stopp")
ORDINARY_TEXTS = (
    "Merci, c’est fait.",
    "Bonjour, je peux passer à l’accueil demain ?",
    "ok",
    "Je n’arrive pas à me connecter à mon compte",
    "Merci beaucoup",
    "Qui êtes-vous ?",
)
# A number that never works, by cause; each keeps its cause for ever.
PERMANENT_CODES = ("30005", "30006", "30008")


@dataclass(frozen=True)
class Step:
    """One thing that the operator says of a message, ``after`` seconds."""

    after: float
    status: str
    error_code: str = ""


@dataclass(frozen=True)
class Answer:
    after: float
    text: str


# What goes wrong with a request, in the order in which it is drawn.
TROUBLES = ("throttled", "error_before", "error_after", "reset_after", "reset_before", "slow_drip")


@dataclass(frozen=True)
class Mood:
    """How one receipt is carried. ``delay``: it is overtaken by those that follow it meanwhile."""

    delay: float = 0.0
    is_doubled: bool = False
    is_forged: bool = False  # a lie comes before it, badly signed


@dataclass(frozen=True)
class Behaviour:
    """Shares are of messages (0 to 1). Those after ``latency`` make an adversary of the operator; they are 0 by default
    (``adversary.toml`` says what each does).
    """

    seed: str = "aller-vers"
    delivered: float = 0.95
    switched_off: float = 0.4  # of the messages not delivered: handset off (30003), may work later
    stop: float = 0.01
    reply: float = 0.02
    receipt_delay: float = 0.02  # mean seconds before each receipt
    reply_delay: float = 0.2
    latency: float = 0.0  # mean seconds before the API answers
    throttled: float = 0.0  # 429, nothing taken
    error_before: float = 0.0  # 500, nothing taken
    error_after: float = 0.0  # 500, message taken
    reset_after: float = 0.0  # connection reset, message taken
    filtered: float = 0.0  # undelivered with 30007
    retry_after: int = 1  # seconds asked for with a 429
    reset_before: float = 0.0  # connection reset, nothing taken
    slow_drip: float = 0.0  # message taken, answered one byte at a time for ``drip_seconds``
    drip_seconds: float = 30.0
    list_lag: float = 0.0  # seconds before a message appears in lists
    late: float = 0.0  # share of receipts that come ``late_seconds`` later
    late_seconds: float = 2.0
    shuffled: float = 0.0  # share of receipts that come up to ``shuffle_seconds`` later
    shuffle_seconds: float = 0.2
    doubled: float = 0.0  # share of receipts that come twice
    forged: float = 0.0  # share of receipts before which a lie comes, badly signed
    early: float = 0.0  # share of messages whose receipts all come before the answer to the request

    def draw(self, *key: str) -> float:
        """A number of [0, 1) that the seed and the key alone decide."""
        digest = sha256("\x1f".join((self.seed, *key)).encode()).digest()
        return int.from_bytes(digest[:7], "big") / 2**56

    def fate(self, *, sid: str, to: str, is_queued_first: bool) -> list[Step]:
        """What will be said of a message, in order, each delay from the one before."""
        steps = [Step(self._delay("queued", sid), "queued")] if is_queued_first else []
        steps.append(Step(self._delay("sent", sid), "sent"))
        return [*steps, self._end(sid, to)]

    def _end(self, sid: str, to: str) -> Step:
        after = self._delay("end", sid)
        if self.draw("filtered", sid) < self.filtered:
            return Step(after, "undelivered", "30007")
        missed = 1 - self.delivered
        if self.draw("dead number", to) < missed * (1 - self.switched_off):
            return Step(after, "undelivered", PERMANENT_CODES[int(self.draw("cause", to) * len(PERMANENT_CODES))])
        if self.draw("switched off", sid) < missed * self.switched_off:
            return Step(after, "undelivered", "30003")
        return Step(after, "delivered")

    def answer(self, *, sid: str, to: str) -> Answer | None:
        """What the person writes back to a message she received, if anything."""
        after = self.reply_delay * 2 * self.draw("reply delay", sid)
        if self.draw("stop", to) < self.stop:
            return Answer(after, self.stop_text(to))
        if self.draw("reply", sid) < self.reply:
            return Answer(after, ORDINARY_TEXTS[int(self.draw("reply text", sid) * len(ORDINARY_TEXTS))])
        return None

    def trouble(self, *, uuid: str, call: int) -> str:
        """What goes wrong with the ``call``-th request for a message: a name of the shares above, or nothing."""
        drawn = self.draw("trouble", uuid, str(call))
        for name in TROUBLES:
            share: float = getattr(self, name)
            if drawn < share:
                return name
            drawn -= share
        return ""

    def mood(self, *, sid: str, status: str) -> Mood:
        """How the receipt of this state is carried."""
        delay = self.late_seconds if self._is_drawn("late", sid, status) else 0.0
        if self._is_drawn("shuffled", sid, status):
            delay += self.shuffle_seconds * self.draw("shuffle", sid, status)
        return Mood(delay, self._is_drawn("doubled", sid, status), self._is_drawn("forged", sid, status))

    def is_early(self, sid: str) -> bool:
        return self._is_drawn("early", sid)

    def stop_text(self, number: str) -> str:
        return STOP_TEXTS[int(self.draw("stop text", number) * len(STOP_TEXTS))]

    def answer_delay(self, sid: str) -> float:
        return self.latency * 2 * self.draw("latency", sid)

    def _is_drawn(self, name: str, *key: str) -> bool:
        share: float = getattr(self, name)
        return bool(share) and self.draw(name, *key) < share

    def _delay(self, name: str, sid: str) -> float:
        return self.receipt_delay * 2 * self.draw(name, sid)


def count_segments(body: str) -> int:
    """Segments as an operator bills them (GSM 03.38: 160 then 153; UCS-2: 70 then 67 UTF-16 units)."""
    if all(c in GSM7_BASIC or c in GSM7_EXTENDED for c in body):
        length = len(body) + sum(c in GSM7_EXTENDED for c in body)
        return 1 if length <= 160 else -(-length // 153)
    length = len(body.encode("utf-16-le")) // 2
    return 1 if length <= 70 else -(-length // 67)
