from typing import Any

from django.db import migrations


class CreatePartitionedModel(migrations.CreateModel):
    """CreateModel everywhere; on PostgreSQL the table is partitioned by the month of its column `at`.

    The primary key of a partitioned table must contain the column it is partitioned by.
    """

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model = to_state.apps.get_model(app_label, self.name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        sql, params = schema_editor.table_sql(model)
        columns = sql.replace(" PRIMARY KEY", "", 1).removesuffix(")")
        table = model._meta.db_table
        schema_editor.execute(f'{columns}, PRIMARY KEY ("id", "at")) PARTITION BY RANGE ("at")', params or None)
        schema_editor.execute(f'CREATE TABLE "{table}_default" PARTITION OF "{table}" DEFAULT')
