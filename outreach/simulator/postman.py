"""The operator's calls to us: signed as Twilio signs them, tried again a few times, on pooled connections."""

import asyncio
import base64
import hmac
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = (0.2, 1.0, 3.0, 10.0, 30.0, 60.0)
CONNECTIONS = 16


def sign(token: str, url: str, form: Mapping[str, str]) -> str:
    """``X-Twilio-Signature``: HMAC-SHA1 of the address followed by every parameter and its value, by name."""
    signed = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(token.encode(), signed.encode(), "sha1").digest()).decode()


class Postman:
    """Posts forms to our webhooks. ``counts``: delivered, retried, refused (4xx), lost (every try failed)."""

    def __init__(self, token: str) -> None:
        self._token = token
        self._session: aiohttp.ClientSession | None = None
        self.counts: Counter[str] = Counter()

    async def open(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=15),
        )

    async def close(self) -> None:
        if self._session:
            await self._session.close()

    async def post(self, url: str, form: Mapping[str, str]) -> bool:
        """Give a signed form. See ``_insist``."""
        return await self._insist(lambda: self._post_once(url, form, self._token))

    async def get(self, url: str, query: Mapping[str, str]) -> bool:
        """Call an address, as operators that sign nothing do. See ``_insist``."""
        return await self._insist(lambda: self._get_once(url, query))

    async def lie(
        self, url: str, *, form: Mapping[str, str] | None = None, query: Mapping[str, str] | None = None
    ) -> None:
        """Say what we cannot prove, once. ``counts``: whether it was refused, as it must, or taken."""
        status = await (self._get_once(url, query) if query else self._post_once(url, form or {}, "forged"))
        self.counts["forged_taken" if 200 <= status < 300 else "forged_refused"] += 1

    async def _insist(self, send: Callable[[], Awaitable[int]]) -> bool:
        """Whether it was taken (2xx). A 4xx is final; anything else is tried again."""
        for pause in (*RETRY_AFTER_SECONDS, None):
            status = await send()
            if 200 <= status < 300:
                self.counts["delivered"] += 1
                return True
            if 400 <= status < 500:
                self.counts["refused"] += 1
                logger.warning("callback refused status=%s", status)
                return False
            if pause is not None:
                self.counts["retried"] += 1
                await asyncio.sleep(pause)
        self.counts["lost"] += 1
        return False

    async def _post_once(self, url: str, form: Mapping[str, str], token: str) -> int:
        headers = {"X-Twilio-Signature": sign(token, url, form), "User-Agent": "TwilioProxy/1.1"}
        return await self._call("POST", url, data=form, headers=headers)

    async def _get_once(self, url: str, query: Mapping[str, str]) -> int:
        return await self._call("GET", url, params=query)

    async def _call(self, method: str, url: str, **values: Any) -> int:
        assert self._session is not None  # noqa: S101 - opened with the server
        try:
            async with self._session.request(method, url, allow_redirects=False, **values) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, OSError, TimeoutError):
            return 0
