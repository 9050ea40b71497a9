from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tokens", "0001_tokens_authority_oauth"),
    ]

    operations = [
        migrations.AddField(
            model_name="delegatedtoken",
            name="idempotency_key",
            field=models.CharField(blank=True, editable=False, max_length=64, null=True),
        ),
        migrations.AddConstraint(
            model_name="delegatedtoken",
            constraint=models.UniqueConstraint(
                fields=("owner", "idempotency_key"), name="delegated_token_once_per_request"
            ),
        ),
    ]
