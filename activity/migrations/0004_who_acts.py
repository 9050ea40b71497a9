from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('activity', '0003_calls_under_way'),
    ]

    operations = [
        migrations.AddField(
            model_name='call',
            name='actors',
            field=models.CharField(blank=True, db_default='', help_text='The applications that act, the last one first (RFC 8693).', max_length=200),
        ),
        migrations.AddField(
            model_name='call',
            name='token_kind',
            field=models.CharField(db_default='nxs', default='nxs', max_length=4),
        ),
    ]
