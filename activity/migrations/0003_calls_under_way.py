from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('activity', '0002_cover_outcome'),
    ]

    operations = [
        migrations.AlterField(
            'Call',
            'outcome',
            models.CharField(
                choices=[
                    ('ok', 'OK'),
                    ('tool_error', 'Tool error'),
                    ('upstream_error', 'Server error'),
                    ('refused', 'Refused'),
                    ('failed', 'Failed'),
                    ('open', 'Under way'),
                ],
                max_length=16,
            ),
        ),
    ]
