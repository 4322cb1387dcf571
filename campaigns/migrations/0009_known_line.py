"""The marks of the lines that imports took: no model, they are only ever met as a set (see ``campaigns.known_lines``).

No key and no foreign key: a mark of a row that changed or went counts for nothing. ``version``: the row's xmin.
"""

from django.db import migrations

CREATE = """
CREATE TABLE campaigns_known_line (
    mark uuid NOT NULL,
    allocataire_id bigint NOT NULL,
    version bigint NOT NULL
);
"""


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0008_email_bounces")]

    operations = [migrations.RunSQL(CREATE, "DROP TABLE campaigns_known_line")]
