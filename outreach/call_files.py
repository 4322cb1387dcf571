"""Calls entrusted to a dialler: a file goes out, for some hours; a file of results comes back."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction

from campaigns.csv_source import UnreadableFile, open_source, read_records
from campaigns.enums import Channel
from campaigns.models import AccessLog, User
from campaigns.population_import import safe_name
from campaigns.rules.calendar import is_open
from campaigns.rules.named_columns import UnknownColumns
from campaigns.rules.population_columns import InvalidLine
from campaigns.rules.spreadsheets import neutralise, say_phone
from campaigns.workbooks import UnreadableWorkbook, readable_as_csv
from outreach.models import Call, CallHandover, CallResultImport
from outreach.ringing import lease_next_call, write_ring
from outreach.rules.call_result_lines import CallResultLine, read_layout, read_line
from outreach.texts import write_script
from outreach.windows import contact_hours, territory_of_commune

REPORTED_LINES = 1_000  # rejected lines kept with their reason; all are counted
HEADERS = ["appel", "telephone", "civilite", "nom", "prenom", "campagne", "a_appeler_avant", "trame"]


class NothingToHandOver(Exception):
    """No call can be entrusted now."""


class CallResultsRefused(Exception):
    """The whole file is refused; nothing was written. The message is French: what, and the way out."""


def hand_over_calls(*, by: User, size: int, until: datetime, now: datetime) -> CallHandover:
    """Entrust at most ``size`` calls until an instant: nobody else rings them meanwhile, then they come back.

    Each is checked as an agent's call is. What happens afterwards (a STOP, a démarche) can no longer stop the dialler:
    hence the few hours. Raises ``NothingToHandOver``.
    """
    handover = CallHandover.objects.create(by=by, at=now, until=until)
    for _ in range(size):
        if lease_next_call(to=handover, until=until, now=now) is None:
            break
        handover.call_count += 1
    if not handover.call_count:
        handover.delete()
        raise NothingToHandOver("Aucun appel à confier maintenant. D’autres seront à essayer plus tard.")
    handover.save(update_fields=["call_count"])
    return handover


def export_handover(*, handover: CallHandover, by: User, now: datetime) -> Iterator[list[str]]:
    """Headers, then the calls that the dialler still has to make; the access is written before the first row."""
    AccessLog.objects.create(by=by, at=now, action="appels confiés", detail=f"lot n° {handover.pk}")
    calls = Call.objects.filter(handover=handover, held_by=None, held_until__gt=now, done_at=None)
    related = ("touch__allocataire", "touch__campaign", "touch__step")
    return _rows(handover, calls.select_related(*related).order_by("touch__priority", "pk"))


def import_call_results(*, path: Path, file_name: str, by: User | None, now: datetime) -> CallResultImport:
    """Write what a dialler's file says, line by line, as an agent would have; the same line again changes nothing.

    Refused lines are listed on the returned import. An import cut short is run again with the same file.
    Raises ``CallResultsRefused`` when the file as a whole cannot be used.
    """
    record = CallResultImport(file_name=safe_name(file_name), by=by, imported_at=now)
    try:
        with readable_as_csv(path) as readable:
            source = open_source(readable)
            layout = read_layout(source.header)
            for number, cells in read_records(source):
                record.read_count += 1
                try:
                    if isinstance(cells, InvalidLine):
                        raise cells
                    line = read_line(cells, layout, now, ZoneInfo(settings.TIME_ZONE))
                    _write(line, record, now)
                except InvalidLine as refusal:
                    _reject(record, number, refusal)
    except (UnreadableFile, UnreadableWorkbook, UnknownColumns) as error:
        raise CallResultsRefused(str(error)) from None
    record.save()
    return record


def _rows(handover: CallHandover, calls: Iterable[Call]) -> Iterator[list[str]]:
    yield HEADERS
    before = handover.until.astimezone(ZoneInfo(settings.TIME_ZONE)).strftime("%d/%m/%Y %H:%M")
    for call in calls:
        person = call.touch.allocataire
        texts = [person.get_civility_display(), person.last_name, person.first_name, call.touch.campaign.name]
        yield [
            str(call.pk),
            say_phone(call.touch.destination),
            *(neutralise(text) for text in texts),
            before,
            neutralise(write_script(step=call.touch.step, person=vars(person))),
        ]


def _write(line: CallResultLine, record: CallResultImport, now: datetime) -> None:
    with transaction.atomic():
        call = Call.objects.select_for_update().filter(pk=line.call_id).exclude(handover=None).first()
        if call is None:
            raise InvalidLine("Cet appel n’a été confié à personne.", column="appel")
        if call.attempts.filter(at=line.at).exists():
            record.known_count += 1
            return
        write_ring(
            call=call, by=record.by, at=line.at, result=line.result, now=now, minutes=line.minutes, note=line.note
        )
    record.created_count += 1
    record.late_count += not _was_open(call, line.at)


def _was_open(call: Call, at: datetime) -> bool:
    """Whether the dialler kept to the hours of calls: said when it did not, never hidden."""
    territory = territory_of_commune(call.touch.allocataire.commune_id)
    return is_open(at, channel=Channel.CALL, territory=territory, hours=contact_hours(Channel.CALL))


def _reject(record: CallResultImport, number: int, refusal: InvalidLine) -> None:
    record.rejected_count += 1
    if len(record.rejected) < REPORTED_LINES:
        record.rejected.append({"line": number, "column": refusal.column, "reason": refusal.reason})
