from django.db import migrations, models
from django.db.models.functions import Coalesce


class Migration(migrations.Migration):

    dependencies = [
        ('tokens', '0007_management_keys'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='delegatedtoken',
            index=models.Index(Coalesce('retires_at', 'expires_at'), condition=models.Q(('stage', 'ended'), _negated=True), name='delegated_token_ends'),
        ),
        migrations.RemoveIndex(
            model_name='delegatedtoken',
            name='delegated_token_to_end',
        ),
        migrations.AddIndex(
            model_name='delegatedtoken',
            index=models.Index(condition=models.Q(('exchanges', 0)), fields=['account', '-issued_at', '-id'], name='delegated_token_of_people'),
        ),
        migrations.AddIndex(
            model_name='delegatedtoken',
            index=models.Index(condition=models.Q(('exchanges__gt', 0)), fields=['account', 'owner', '-issued_at', '-id'], name='delegated_token_exchanged'),
        ),
        migrations.AddIndex(
            model_name='delegatedtoken',
            index=models.Index(condition=models.Q(('paused_at__isnull', False)), fields=['account', '-issued_at', '-id'], name='delegated_token_paused'),
        ),
        migrations.AddField(
            model_name='webhook',
            name='stages',
            field=models.JSONField(blank=True, db_default=models.Value([], models.JSONField()), default=list, help_text='Of a token that is about to expire, when it is told; each time, where it says nothing.'),
        ),
    ]
