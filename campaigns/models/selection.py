from django.db import models

from campaigns.models.allocataire import Allocataire


class SelectionCode(models.Model):
    """The small number that stands for a word in ``SelectionRow``. Given by the database at its first use, for ever.

    ``kind``: a column of ``Allocataire``. A prestation's number is the place of its bit.
    """

    kind = models.CharField(max_length=30)
    value = models.CharField(max_length=40)
    number = models.IntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "value"], name="selection_code_once"),
            models.UniqueConstraint(fields=["kind", "number"], name="selection_number_once"),
            models.CheckConstraint(
                condition=~models.Q(kind="prestations") | models.Q(number__range=(0, 62)), name="selection_bit_exists"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.number} : {self.value}"


class SelectionRow(models.Model):
    """What most criteria read of a person, in few bytes of fixed width: counting reads all of it, so width is its cost.

    Triggers on ``Allocataire`` keep it exact; nothing else writes it. Nothing is NULL: an unknown word is 0, an
    unknown date ``infinity`` (never read into Python). What criteria read most comes first.
    """

    allocataire = models.OneToOneField(
        Allocataire, models.DO_NOTHING, primary_key=True, db_constraint=False, related_name="+"
    )
    prestations = models.BigIntegerField()  # one bit a prestation held
    born_on = models.DateField()
    commune_id = models.IntegerField(db_column="commune_id")
    children_count = models.SmallIntegerField()
    family_situation = models.SmallIntegerField()
    has_mobile = models.BooleanField()
    sms_allowed = models.BooleanField()
    has_email = models.BooleanField()
    email_allowed = models.BooleanField()
    has_landline = models.BooleanField()
    call_allowed = models.BooleanField()
    has_working_child = models.BooleanField()
    is_scholar = models.BooleanField()
    is_under_guardianship = models.BooleanField()
    housing = models.SmallIntegerField()
    professional_situation = models.SmallIntegerField()
    civility = models.SmallIntegerField()
    rib_state = models.SmallIntegerField()
    quittance_state = models.SmallIntegerField()
    language = models.SmallIntegerField()
    dtr_due_on = models.DateField()
    dtr_received_on = models.DateField()
    closed_on = models.DateField()
    affiliated_on = models.DateField()
    professional_since = models.DateField()
    separated_on = models.DateField()
    birth_expected_on = models.DateField()
    event_on = models.DateField()
    mail_returned_on = models.DateField()
    prepare_ends_on = models.DateField()
    dar_due_on = models.DateField()
    dar_received_on = models.DateField()
    documents_missing_since = models.DateField()
    residence_permit_ends_on = models.DateField()

    def __str__(self) -> str:
        return f"Allocataire n° {self.pk}"


class Never(models.Func):
    """The date that stands for an unknown one in ``SelectionRow``: later than any."""

    template = "'infinity'::date"
    output_field = models.DateField()


class HasAnyBit(models.Func):
    """Whether a number holds one of the bits of another. A CASE, which the planner takes for one chance in two: it has
    no statistics of bits, and would guess none or all."""

    arity = 2
    template = "CASE WHEN %(expressions)s <> 0 THEN true ELSE false END"
    arg_joiner = " & "
    output_field = models.BooleanField()


class PrestationBits(models.Func):
    """The bits of an array of prestations, together."""

    template = (
        "(SELECT coalesce(bit_or(1::bigint << number), 0) FROM campaigns_selectioncode "
        "WHERE kind = 'prestations' AND value = ANY(%(expressions)s))"
    )
    output_field = models.BigIntegerField()
