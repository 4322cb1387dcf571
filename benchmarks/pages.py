# ruff: noqa: E402 — Django is set up before its models are imported
"""Every page of the admin over a Caf's population and 100 campaigns: queries, time of the server, weight, worst first.

    python -m benchmarks.pages
    python -m benchmarks.pages --size 1000000 --campaigns 100

Works in a database made for the run (``test_…`` beside the one of DATABASE_URL). Campaigns are frozen and planned by
the night's own stories, the first over two people in five, then answered by the database itself. Each page is asked
for through Django's test client by a superviseur who may also administer: once to count its queries, then ``--times``
times; then everything that it links to with other parameters (sorted, filtered, further on), of which the dearest is
told. A page is over when it makes more than 20 queries or takes more than 300 ms; what counts a public live (preview,
simulation) is held to a second, as in docs/performance.md.
"""

import argparse
import json
import logging
import os
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")

import django

django.setup()

from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import get_resolver, reverse

from benchmarks.people import make_contacts, make_people, make_refusals
from campaigns.audiences import freeze_audience
from campaigns.enums import Channel
from campaigns.models import Allocataire, Campaign, Epci, Programme, RegularisationKind, Segment, set_clock
from campaigns.plan_catalogue import load_shipped_plans
from campaigns.segments import count_matching
from outreach.attribution import attribute_outcomes
from outreach.models import Night, RegularisationImport
from outreach.planning import plan_wave
from outreach.roles import SUPERVISEUR, load_roles
from tests.architecture.test_access import named_addresses
from tests.factories import make_campaign, make_plan, make_running_campaign, make_segment, step_values
from tests.pages import make_colleague

NOW = datetime(2026, 3, 3, 9, 30, tzinfo=UTC)
NIGHT_ON = date(2026, 2, 3)
LAUNCHED = datetime(2026, 2, 2, 23, 30, tzinfo=UTC)
QUERIES_MAX, MILLISECONDS_MAX, COUNTING_MAX = 20, 300, 1_000
COUNTING = {"campaign_simulation", "segment_preview", "segment_results"}
TONIGHT = {"campaign_simulation", "campaign_trials"}  # of the draft: nobody is in its audiences yet
NOT_PAGES = (
    "logout", "jsi18n", "autocomplete", "view_on_site", "login", "_csv", "rejections", "export_plans", "_delete",
)  # fmt: skip
ISOLATED = {"field": "isolated", "op": "eq", "value": True}
LARGE: dict[str, Any] = {"all": [ISOLATED, {"field": "prestation", "op": "has_not", "value": "PPA"}]}

# What the campaigns wait for: one of each stage, the last with an amount a month.
KINDS = ["PPA_CONSULTATION", "PPA_DEMANDE", "PPA_OUVERTE"]
# What became of planned contacts: most delivered, half of the calls answered and a quarter still to be made, one SMS in
# fifty replied to; one person in twenty settled what it was for, after the usual steps.
ANSWERS = (
    """UPDATE outreach_touch
          SET status = CASE WHEN id %% 25 = 0 THEN 'NON_REMIS' WHEN id %% 99 = 0 THEN 'INCERTAIN' ELSE 'REMIS' END,
              attempt_count = 1, status_at = due_at
        WHERE status = 'PREVU' AND (channel <> 'CALL' OR id %% 4 > 0)""",
    """INSERT INTO outreach_attempt (touch_id, number, uuid, provider, provider_ref, status, intent_at, submitted_at,
                                     status_at, error_code, segments, lookup_count)
       SELECT id, 1, gen_random_uuid(), 'banc', 'banc-' || id, status, due_at, due_at, due_at, '', 2, 0
         FROM outreach_touch WHERE attempt_count = 1 AND channel <> 'CALL'""",
    """INSERT INTO outreach_call (touch_id, listed_on, done_at)
       SELECT id, due_at::date, status_at FROM outreach_touch WHERE channel = 'CALL'""",
    """INSERT INTO outreach_callattempt (call_id, number, at, result, minutes, note)
       SELECT id, 1, done_at, (ARRAY['JOINT', 'FAUX_NUMERO', 'JOINT'])[id %% 3 + 1], id %% 7, ''
         FROM outreach_call WHERE done_at IS NOT NULL""",
    """INSERT INTO outreach_reply (allocataire_id, touch_id, sender_hash, provider, provider_ref, body, kind,
                                   received_at, note)
       SELECT allocataire_id, id, '', 'banc', id, 'Merci', (ARRAY['AMBIGUE', 'ORDINAIRE'])[id %% 2 + 1], due_at, ''
         FROM outreach_touch WHERE channel = 'SMS' AND id %% 50 < 2 AND attempt_count = 1""",
    """INSERT INTO outreach_regularisationimport_kinds (regularisationimport_id, regularisationkind_id)
       SELECT %(file)s, code FROM campaigns_regularisationkind""",
    """INSERT INTO outreach_regularisation (allocataire_id, kind_id, occurred_on, amount, source_id)
       SELECT p.id, k.code, date '2026-02-01' + (p.id %% 14)::int + 7 * k.stage, k.amount + p.id %% 90, %(file)s
         FROM campaigns_allocataire p
         JOIN (VALUES ('PPA_CONSULTATION', 0, NULL, 5), ('PPA_DEMANDE', 1, NULL, 10), ('PPA_OUVERTE', 2, 150, 20))
              AS k (code, stage, amount, one_in) ON p.id %% k.one_in = 0""",
    "VACUUM (ANALYZE)",
)


@dataclass(frozen=True)
class Figure:
    name: str
    queries: int
    milliseconds: float
    size: int

    @property
    def is_over(self) -> bool:
        limit = COUNTING_MAX if self.name in COUNTING else MILLISECONDS_MAX
        return self.queries > QUERIES_MAX or self.milliseconds > limit


def main() -> None:
    options = _options()
    settings.DEBUG = False  # or each query would be kept
    logging.disable(logging.WARNING)
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        fill(options.size, options.campaigns)
        report(measure(options.times))
    finally:
        connection.creation.destroy_test_db(connection.settings_dict["NAME"], verbosity=0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=113_000)
    parser.add_argument("--campaigns", type=int, default=100)
    parser.add_argument("--times", type=int, default=5)
    return parser.parse_args()


def fill(size: int, count: int) -> None:
    start = time.perf_counter()
    load_roles()
    load_shipped_plans()
    make_people(size)
    make_refusals(NOW)
    play_campaigns(count)
    make_contacts(size * 5 // 2, campaigns=list(Campaign.objects.values_list("pk", flat=True)), now=NOW)
    set_clock(NOW)
    print(f"  {size:,} people, {count} campaigns in {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)


def play_campaigns(count: int) -> None:
    """The first large, the others of an intercommunality each, all of a night a month ago; one more is a draft."""
    steps = [step_values(), step_values(Channel.EMAIL, position=2), step_values(Channel.CALL, position=3)]
    codes = Epci.objects.filter(communes__department="66").distinct().order_by("code").values_list("code", flat=True)
    places = [{"all": [*LARGE["all"], {"field": "epci", "op": "eq", "value": code}]} for code in codes]
    publics = [(make_segment(tree), count_matching(tree, today=NIGHT_ON)) for tree in (LARGE, *places)]
    played = []
    for number in range(count):
        segment, size = publics[0 if number == 0 else 1 + number % len(places)]
        plan = make_plan(steps=steps, control_share="0.1")
        plan.expected_kinds.set(RegularisationKind.objects.filter(pk__in=KINDS))
        campaign = make_running_campaign(
            expected_size=size, now=LAUNCHED, plan=plan, segment=segment, is_exempt_from_cap=True
        )
        if audience := freeze_audience(campaign=campaign, night_on=NIGHT_ON, now=LAUNCHED):
            plan_wave(audience=audience, now=LAUNCHED)
        played.append(campaign)
    answer(played)
    make_campaign(plan=make_plan(steps=steps), segment=publics[0][0])


def answer(played: list[Campaign]) -> None:
    Programme.objects.create(name="Programme", code="programme").campaigns.set(played[:10])
    file = RegularisationImport.objects.create(file_name="banc.csv", as_of=NOW.date(), imported_at=NOW)
    with connection.cursor() as cursor:
        for statement in ANSWERS:
            cursor.execute(statement, {"file": file.pk})
    for campaign in played:
        attribute_outcomes(campaign=campaign, now=NOW)
    for number in range(60):
        Night.objects.create(on=NOW.date() - timedelta(days=number), started_at=NOW, finished_at=NOW, status="TERMINEE")


def measure(times: int) -> list[Figure]:
    user = make_colleague(SUPERVISEUR)
    user.is_superuser = True
    user.save()
    client = Client()
    client.force_login(user)
    return [figure for name, *asked in find_pages() for figure in _measure(client, name, times, *asked)]


def find_pages() -> Iterator[tuple[Any, ...]]:
    """(name, address) of each page, or (name, address, data) of what is asked by POST."""
    for name, address in sorted(set(named_addresses(get_resolver()))):
        short = name.removeprefix("admin:")
        if name.startswith("admin:") and not short.endswith(NOT_PAGES):
            yield short, _with_object(short, address)
    typed = {"criteria": json.dumps(LARGE)}
    yield "segment_preview", reverse("admin:segment_preview"), typed
    yield "segment_results", reverse("admin:segment_results", args=[Segment.objects.earliest("pk").pk]), {}


def _with_object(name: str, address: str) -> str:
    """The address, with the number of a row where it has 0: the largest campaign, the first person, the last row."""
    if name == "programme_bilan":
        return reverse("admin:programme_bilan", args=["programme"])
    rows: dict[str, type[Model]] = {f"{m._meta.app_label}_{m._meta.model_name}_": m for m in apps.get_models()}
    model = next((model for prefix, model in rows.items() if name.startswith(prefix)), None)
    if model is None:
        model = next((m for word, m in (("campaign", Campaign), ("segment", Segment), ("allocataire", Allocataire),
                                        ("person", Allocataire)) if word in name), None)  # fmt: skip
    ordered = model.objects.order_by("-pk" if name in TONIGHT else "pk") if model else None
    row = ordered.first() if ordered else None
    return address.replace("/0/", f"/{row.pk if row else 1}/")


def _measure(client: Client, name: str, times: int, address: str, data: dict[str, str] | None = None) -> list[Figure]:
    """The page, then the dearest of what it shows otherwise: sorted, filtered, further on.

    Nothing for what is no page: answered by a redirection, a file or a refusal of GET.
    """
    ask = partial(client.get, address) if data is None else partial(client.post, address, data)
    with CaptureQueriesContext(connection) as asked:
        response = ask()
    if response.status_code != 200 or not response.get("Content-Type", "").startswith("text/html"):
        return []
    figures = [Figure(name, len(asked), statistics.median(_times(ask, times)), len(response.content))]
    links = sorted(set(re.findall(r'href="(\?[^"]+)"', response.content.decode())))
    if not links or "?" in address:
        return figures
    times_once = {link: next(_times(partial(client.get, address + unescape(link)), 1)) for link in links}
    dearest = max(links, key=times_once.__getitem__)
    return figures + [
        replace(figure, name=f"{name} {unescape(dearest)}")
        for figure in _measure(client, name, times, address + unescape(dearest))
    ]


def _times(ask: Callable[[], Any], times: int) -> Iterator[float]:
    for _ in range(times):
        start = time.perf_counter()
        ask()
        yield (time.perf_counter() - start) * 1_000


def report(figures: list[Figure]) -> None:
    print(f"{'page':44} {'queries':>8} {'ms':>8} {'bytes':>10}")
    for one in sorted(figures, key=lambda one: (-one.milliseconds, one.name)):
        print(f"{one.name:44} {one.queries:>8} {one.milliseconds:>8.0f} {one.size:>10,}{'  over' * one.is_over}")
    over = sum(one.is_over for one in figures)
    print(f"{len(figures)} pages, {over} over {QUERIES_MAX} queries or {MILLISECONDS_MAX} ms")


if __name__ == "__main__":
    main()
