"""No release has filled the tables of codes, access and refresh tokens: what they must have is added as it is."""

import datetime
import django.db.models.deletion
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('profiles', '0006_machines_and_applications'),
        ('tokens', '0002_token_idempotency_key'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Connection',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.CharField(editable=False, max_length=12, unique=True)),
                ('scope', models.CharField(max_length=300)),
                ('lasts', models.DurationField(default=datetime.timedelta(days=30), help_text='How long a session lives from sign-in on.')),
                ('agreed_at', models.DateTimeField()),
                ('last_used_at', models.DateTimeField(blank=True, null=True)),
                ('revoked_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ['-agreed_at', '-id'],
            },
        ),
        migrations.CreateModel(
            name='OAuthSession',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('began_at', models.DateTimeField()),
                ('ends_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('address', models.CharField(blank=True, max_length=64)),
                ('agent', models.CharField(blank=True, max_length=300)),
            ],
            options={
                'verbose_name': 'OAuth session',
                'ordering': ['-began_at', '-id'],
            },
        ),
        migrations.RemoveConstraint(
            model_name='delegatedtoken',
            name='delegated_token_one_family_per_name',
        ),
        migrations.AddField(
            model_name='application',
            name='account',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='applications', to='profiles.account'),
        ),
        migrations.AddField(
            model_name='application',
            name='client_uri',
            field=models.URLField(blank=True, max_length=300),
        ),
        migrations.AddField(
            model_name='application',
            name='disabled_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='application',
            name='last_used_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='application',
            name='machine',
            field=models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='application', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='application',
            name='may_exchange',
            field=models.BooleanField(default=False, help_text='May exchange tokens (RFC 8693).', verbose_name='token exchange'),
        ),
        migrations.AddField(
            model_name='application',
            name='secret_last_four',
            field=models.CharField(blank=True, editable=False, max_length=4),
        ),
        migrations.AddField(
            model_name='delegatedtoken',
            name='actors',
            field=models.JSONField(blank=True, db_default=models.Value([], models.JSONField()), default=list, editable=False, help_text='The applications that exchanged it, the last one first: client_id and name (RFC 8693, act).'),
        ),
        migrations.AddField(
            model_name='delegatedtoken',
            name='exchanges',
            field=models.PositiveSmallIntegerField(db_default=0, default=0, editable=False, help_text="How many token exchanges lie between a person's act and this token."),
        ),
        migrations.AddField(
            model_name='delegatedtoken',
            name='parent',
            field=models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='narrowed', to='tokens.delegatedtoken'),
        ),
        migrations.AddField(
            model_name='grant',
            name='session_ends_at',
            field=models.DateTimeField(default=None),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='grant',
            name='used_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='refreshtoken',
            name='expires_at',
            field=models.DateTimeField(default=None),
            preserve_default=False,
        ),
        migrations.AlterField(
            model_name='authoritychange',
            name='scope',
            field=models.CharField(choices=[('token', 'Token'), ('owner', 'Owner'), ('account', 'Account'), ('toolkit', 'Toolkit'), ('server', 'Server'), ('connection', 'Connection')], max_length=10),
        ),
        migrations.AlterField(
            model_name='delegatedtoken',
            name='revoke_reason',
            field=models.CharField(blank=True, choices=[('unneeded', 'No longer needed'), ('leaked', 'Leaked'), ('replaced', 'Replaced'), ('unused', 'Unused'), ('left', 'Owner left'), ('policy', 'Policy'), ('toolkit_deleted', 'Toolkit deleted'), ('parent', 'What it was exchanged for has ended'), ('other', 'Other')], max_length=20),
        ),
        migrations.AddConstraint(
            model_name='application',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('account__isnull', False), ('registration_source', 'manual')), models.Q(models.Q(('registration_source', 'manual'), _negated=True), ('account', None), ('machine', None), ('may_exchange', False)), _connector='OR'), name='application_of_an_account_is_made_by_hand'),
        ),
        migrations.AddConstraint(
            model_name='application',
            constraint=models.CheckConstraint(condition=models.Q(('machine', None), ('authorization_grant_type', 'client-credentials'), _connector='OR'), name='application_machine_uses_client_credentials'),
        ),
        migrations.AddField(
            model_name='connection',
            name='account',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='connections', to='profiles.account'),
        ),
        migrations.AddField(
            model_name='connection',
            name='application',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='connections', to=settings.OAUTH2_PROVIDER_APPLICATION_MODEL),
        ),
        migrations.AddField(
            model_name='connection',
            name='owner',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='connections', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='connection',
            name='toolkit',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='connections', to='profiles.toolkit'),
        ),
        migrations.AddField(
            model_name='grant',
            name='connection',
            field=models.ForeignKey(default=None, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tokens.connection'),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='oauthsession',
            name='connection',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='sessions', to='tokens.connection'),
        ),
        migrations.AddField(
            model_name='accesstoken',
            name='session',
            field=models.ForeignKey(default=None, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tokens.oauthsession'),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='delegatedtoken',
            name='session',
            field=models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='exchanged', to='tokens.oauthsession'),
        ),
        migrations.AddField(
            model_name='grant',
            name='session',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='tokens.oauthsession'),
        ),
        migrations.AddField(
            model_name='refreshtoken',
            name='session',
            field=models.ForeignKey(default=None, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tokens.oauthsession'),
            preserve_default=False,
        ),
        migrations.AddConstraint(
            model_name='delegatedtoken',
            constraint=models.UniqueConstraint(models.F('owner'), models.F('account'), django.db.models.functions.text.Lower('name'), condition=models.Q(('exchanges', 0), ('stage', 'current')), name='delegated_token_one_family_per_name'),
        ),
        migrations.AddConstraint(
            model_name='delegatedtoken',
            constraint=models.CheckConstraint(condition=models.Q(('exchanges__lte', 2)), name='delegated_token_exchanged_at_most_twice'),
        ),
        migrations.AddIndex(
            model_name='connection',
            index=models.Index(fields=['account', '-agreed_at', '-id'], name='connection_of_account'),
        ),
        migrations.AddConstraint(
            model_name='connection',
            constraint=models.UniqueConstraint(condition=models.Q(('revoked_at', None)), fields=('application', 'owner', 'toolkit'), name='connection_once'),
        ),
    ]
