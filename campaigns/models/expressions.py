"""SQL that the ORM has no word for: everything is a parameter, an absent fact is NULL."""

from typing import Any

from django.db.models import BooleanField, Func, TextField, Value
from django.db.models.fields import DecimalField


class JsonText(Func):
    """The text under ``key`` of a JSON object column; a key made of digits stays a key."""

    function = "jsonb_extract_path_text"
    output_field = TextField()

    def __init__(self, column: Any, key: str) -> None:
        super().__init__(column, Value(key, TextField()))


class JsonNumber(Func):
    """The number under ``key``; NULL when what is there is not a JSON number (CASE: the cast must not come first)."""

    template = (
        "CASE WHEN jsonb_typeof(jsonb_extract_path(%(expressions)s)) = 'number' "
        "THEN jsonb_extract_path_text(%(expressions)s)::numeric END"
    )
    output_field = DecimalField()

    def __init__(self, column: Any, key: str) -> None:
        super().__init__(column, Value(key, TextField()))

    def as_sql(self, compiler: Any, connection: Any, **extra: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        sql, params = super().as_sql(compiler, connection, **extra)
        return sql, [*params, *params]  # the template writes the arguments twice


class AnyDateWithin(Func):
    """Whether a date array column holds a date of the closed interval [first, last]."""

    output_field = BooleanField()

    def as_sql(self, compiler: Any, connection: Any, **_extra: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        parts = [compiler.compile(source) for source in self.get_source_expressions()]
        (array, array_params), (first, first_params), (last, last_params) = parts
        sql = f"EXISTS (SELECT 1 FROM unnest({array}) AS held(on_day) WHERE held.on_day BETWEEN {first} AND {last})"
        return sql, [*array_params, *first_params, *last_params]
