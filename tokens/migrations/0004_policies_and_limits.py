import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('profiles', '0007_acts_of_a_tokens_life'),
        ('tokens', '0003_connections'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Policy',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('max_life_days', models.PositiveSmallIntegerField(blank=True, help_text='Days, at most 30.', null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(30)], verbose_name='longest life')),
                ('max_tokens', models.PositiveIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1)], verbose_name='living tokens per owner')),
                ('pause_unused_days', models.PositiveSmallIntegerField(blank=True, help_text='Days, at least 14. The owner is reminded 48 hours before.', null=True, validators=[django.core.validators.MinValueValidator(14)], verbose_name='pause when unused for')),
                ('ends_reused_families', models.BooleanField(default=False, verbose_name='end the family when an ended token is used')),
            ],
            options={
                'verbose_name_plural': 'policies',
            },
        ),
        migrations.AddField(
            model_name='delegatedtoken',
            name='call_cap',
            field=models.PositiveIntegerField(blank=True, help_text='How many calls it may make in all.', null=True),
        ),
        migrations.AddField(
            model_name='delegatedtoken',
            name='calls_taken',
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AddField(
            model_name='delegatedtoken',
            name='generation',
            field=models.PositiveSmallIntegerField(db_default=1, default=1, editable=False),
        ),
        migrations.AddField(
            model_name='delegatedtoken',
            name='is_read_only',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name='delegatedtoken',
            name='networks',
            field=models.JSONField(blank=True, db_default=models.Value([], models.JSONField()), default=list, help_text='Where it may be used from (CIDR).'),
        ),
        migrations.AddField(
            model_name='delegatedtoken',
            name='overlap',
            field=models.DurationField(blank=True, help_text='Of a pending token: how long its predecessor lives on once it is used.', null=True),
        ),
        migrations.AddField(
            model_name='delegatedtoken',
            name='pause_reason',
            field=models.CharField(blank=True, db_default='', max_length=20),
        ),
        migrations.AddField(
            model_name='delegatedtoken',
            name='pause_unused_after',
            field=models.DurationField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='delegatedtoken',
            name='tools',
            field=models.JSONField(blank=True, help_text="Names of the toolkit's tools that it may call; all where it says nothing.", null=True),
        ),
        migrations.AddConstraint(
            model_name='delegatedtoken',
            constraint=models.CheckConstraint(condition=models.Q(('call_cap', None), ('calls_taken__lte', models.F('call_cap')), _connector='OR'), name='delegated_token_keeps_to_its_cap'),
        ),
        migrations.AddField(
            model_name='policy',
            name='account',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='policies', to='profiles.account'),
        ),
        migrations.AddField(
            model_name='policy',
            name='toolkit',
            field=models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='policy', to='profiles.toolkit'),
        ),
        migrations.AddConstraint(
            model_name='policy',
            constraint=models.UniqueConstraint(condition=models.Q(('toolkit', None)), fields=('account',), name='policy_one_per_account'),
        ),
        migrations.AddConstraint(
            model_name='policy',
            constraint=models.CheckConstraint(condition=models.Q(('max_life_days', None), ('max_life_days__range', (1, 30)), _connector='OR'), name='policy_life_at_most_30_days'),
        ),
        migrations.AddConstraint(
            model_name='policy',
            constraint=models.CheckConstraint(condition=models.Q(('pause_unused_days', None), ('pause_unused_days__gte', 14), _connector='OR'), name='policy_pauses_after_14_days_at_least'),
        ),
    ]
