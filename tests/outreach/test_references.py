"""What members, contacts and contact facts refer to exists, though no foreign key of PostgreSQL says so (ADR 0014)."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, IntegrityError, connection, models, transaction

from campaigns.models import Allocataire, Audience, Campaign, ContactFact, Member, Step
from outreach.models import Touch
from tests.factories import NOW, make_allocataire, make_audience, make_campaign, make_contact_fact, make_member

NOBODY = 999_999_999
CHILDREN = {
    "campaigns_member": ["audience_id", "campaign_id", "allocataire_id"],
    "campaigns_contactfact": ["allocataire_id", "campaign_id"],
    "outreach_touch": ["member_id", "step_id", "campaign_id", "audience_id", "allocataire_id"],
}


def make_rows() -> dict[str, int]:
    """One member, her contact and its fact: table → number of the row."""
    member = make_member()
    campaign = member.campaign
    fact = make_contact_fact(member.allocataire, campaign, at=NOW)
    touch = Touch.objects.create(
        member=member,
        step=campaign.steps.get(),
        campaign=campaign,
        audience=member.audience,
        allocataire=member.allocataire,
        channel="SMS",
        destination="+33612345678",
        due_at=NOW,
        closes_at=NOW,
        expires_at=NOW,
    )
    return {"campaigns_member": member.pk, "campaigns_contactfact": fact.pk, "outreach_touch": touch.pk}


def execute(statement: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def write_again(table: str, row: int, column: str, value: int) -> None:
    """Take this row away and write it again, referring by ``column`` to something else."""
    if table == "campaigns_member":
        Touch.objects.all().delete()
    key = "touch_ref" if table == "campaigns_contactfact" else "id"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE copy ON COMMIT DROP AS SELECT * FROM {table} WHERE {key} = %s", [row])
        cursor.execute(f"UPDATE copy SET {column} = %s", [value])
        cursor.execute(f"DELETE FROM {table} WHERE {key} = %s", [row])
        cursor.execute(f"INSERT INTO {table} SELECT * FROM copy")


@pytest.mark.django_db
@pytest.mark.parametrize(("table", "column"), [(table, column) for table, cs in CHILDREN.items() for column in cs])
def test_nothing_refers_to_what_is_not_there(table: str, column: str) -> None:
    row = make_rows()[table]
    with pytest.raises(IntegrityError, match="what is not in"):
        write_again(table, row, column, NOBODY)


@pytest.mark.django_db
def test_a_member_is_of_the_campaign_of_its_audience() -> None:
    audience, campaign, person = make_audience(), make_campaign(), make_allocataire()
    with pytest.raises(IntegrityError, match="campaigns_audience"):
        Member.objects.create(audience=audience, campaign=campaign, allocataire=person, arm="SMS")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("column", "other"),
    [
        ("member_id", lambda: make_member().pk),
        ("step_id", lambda: make_campaign().steps.get().pk),
        ("campaign_id", lambda: make_campaign().pk),
        ("audience_id", lambda: make_audience().pk),
        ("allocataire_id", lambda: make_member().allocataire_id),
    ],
)
def test_a_contact_says_of_its_member_what_the_member_says(column: str, other: Callable[[], int]) -> None:
    row, value = make_rows()["outreach_touch"], other()
    with pytest.raises(IntegrityError, match="what is not in"):
        write_again("outreach_touch", row, column, value)


@pytest.mark.django_db
@pytest.mark.parametrize("parent", [Allocataire, Campaign, Audience, Member, Step])
def test_what_is_referred_to_is_not_deleted(parent: type[models.Model]) -> None:
    make_rows()
    with pytest.raises(IntegrityError):
        execute(f"DELETE FROM {parent._meta.db_table}")
    assert parent._default_manager.exists()


@pytest.mark.django_db
def test_what_nothing_refers_to_any_more_is_deleted() -> None:
    make_rows()
    for table in (Touch, ContactFact, Member, Audience, Step, Campaign, Allocataire):
        execute(f"DELETE FROM {table._meta.db_table}")
        assert not table.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE outreach_touch SET member_id = member_id + 1",
        "UPDATE outreach_touch SET campaign_id = campaign_id + 1",
        "UPDATE campaigns_contactfact SET allocataire_id = allocataire_id + 1",
        "UPDATE campaigns_audience SET campaign_id = campaign_id + 1",
        "UPDATE campaigns_campaign SET id = id + 1",
        "UPDATE campaigns_allocataire SET id = id + 1",
        "UPDATE campaigns_step SET campaign_id = campaign_id + 1",
        "UPDATE campaigns_member SET allocataire_id = allocataire_id + 1",
        "TRUNCATE campaigns_member",
    ],
)
def test_a_reference_never_changes(statement: str) -> None:
    make_rows()
    with pytest.raises(DatabaseError):
        execute(statement)


def connect() -> psycopg.Connection[Any]:
    values = connection.get_connection_params()
    return psycopg.connect(
        **{key: values[key] for key in ("dbname", "user", "host", "port", "password") if key in values}
    )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("parent", ["campaigns_allocataire", "campaigns_campaign"])
@pytest.mark.parametrize("writes_first", [True, False])
def test_of_a_writer_and_a_deleter_at_the_same_time_one_is_refused(parent: str, writes_first: bool) -> None:
    campaign = make_campaign()
    campaign.steps.all().delete()
    person = make_member().allocataire
    Member.objects.all().delete()
    deleted = {"campaigns_allocataire": person.pk, "campaigns_campaign": campaign.pk}[parent]
    delete = f"DELETE FROM {parent} WHERE id = {deleted}"
    write = (
        "INSERT INTO campaigns_contactfact (touch_ref, allocataire_id, campaign_id, plan_code, theme, channel, at,"
        f" state, is_exempt) VALUES (1, {person.pk}, {campaign.pk}, '', '', 'SMS', now(), 'REMIS', false)"
    )
    with connect() as first, connect() as second, ThreadPoolExecutor(1) as other:
        first.execute(write if writes_first else delete)
        late = other.submit(second.execute, delete if writes_first else write)
        wait_until_it_waits(late, second.info.backend_pid)
        first.commit()
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            late.result(timeout=20)
        second.rollback()


def wait_until_it_waits(late: Future[Any], pid: int) -> None:
    with connect() as watcher:
        watcher.autocommit = True
        waits = "SELECT cardinality(pg_blocking_pids(%s)) > 0"
        while not late.done() and watcher.execute(waits, [pid]).fetchone() != (True,):
            pass
