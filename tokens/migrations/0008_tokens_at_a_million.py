from django.db import migrations, models
from django.db.models.functions import Coalesce


class Migration(migrations.Migration):

    dependencies = [
        ('tokens', '0006_reminders_digests_jobs'),
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
    ]
