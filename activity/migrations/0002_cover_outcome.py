from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('activity', '0001_calls'),
    ]

    operations = [
        migrations.RemoveIndex('Call', 'call_of_account'),
        migrations.AddIndex('Call', models.Index(fields=['account_id', '-at', '-id', 'outcome'], name='call_of_account')),
        migrations.RemoveIndex('Call', 'call_of_owner'),
        migrations.AddIndex(
            'Call', models.Index(fields=['owner_id', 'account_id', '-at', '-id', 'outcome'], name='call_of_owner')
        ),
    ]
