from typing import Any

from django.db import models


class ActivityRouter:
    """Embedded, what grows with calls lies in an SQLite file of its own: no sweep stalls the hub, no call a page."""

    def db_for_read(self, model: type[models.Model], **hints: Any) -> str | None:
        return "activity" if model._meta.app_label == "activity" else None

    db_for_write = db_for_read

    def allow_relation(self, one: models.Model, other: models.Model, **hints: Any) -> bool | None:
        return one._meta.app_label == other._meta.app_label or None

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return (db == "activity") == (app_label == "activity")
