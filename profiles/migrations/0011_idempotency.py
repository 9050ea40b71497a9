"""Requests that made something, by their Idempotency-Key."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("profiles", "0010_invitations")]

    operations = [
        migrations.CreateModel(
            name="AnsweredRequest",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("asker", models.CharField(max_length=80)),
                ("key", models.CharField(max_length=255)),
                ("digest", models.CharField(help_text="SHA-256 of method, address and body.", max_length=64)),
                ("at", models.DateTimeField(db_index=True)),
                ("status", models.PositiveSmallIntegerField(null=True)),
                ("answer", models.TextField(blank=True)),
                ("made", models.CharField(blank=True, help_text="The id of what a secret was shown of.", max_length=64)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("asker", "key"), name="answered_request_once_per_key"),
                ],
            },
        ),
    ]
