from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('profiles', '0005_toolkits_of_many_servers'),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='is_machine',
            field=models.BooleanField(db_default=False, default=False, editable=False, help_text='Stands for an application, and can never sign in.'),
        ),
        migrations.AlterField(
            model_name='event',
            name='action',
            field=models.CharField(choices=[('user.signed_in', 'signed in'), ('user.sign_in_failed', 'failed to sign in'), ('user.sign_in_link_made', 'made a sign-in link'), ('user.confirmed', 'confirmed who they are'), ('user.added', 'added a user'), ('user.changed', 'changed a user'), ('user.disabled', 'disabled a user'), ('user.enabled', 'enabled a user'), ('account.added', 'added an account'), ('member.added', 'added a member'), ('member.changed', "changed a member's role"), ('member.removed', 'removed a member'), ('server.added', 'added a server'), ('server.changed', 'changed a server'), ('server.removed', 'removed a server'), ('toolkit.created', 'created a toolkit'), ('toolkit.changed', 'changed a toolkit'), ('toolkit.deleted', 'deleted a toolkit'), ('authorization.connected', 'connected an authorization'), ('authorization.changed', 'changed an authorization'), ('authorization.ended', 'ended an authorization'), ('authorization.died', 'authorization no longer taken'), ('toolkit.tools_altered', 'altered tools of a toolkit'), ('token.issued', 'issued a token'), ('token.revoked', 'revoked a token'), ('token.expired', 'token expired'), ('token.first_used', 'token first used'), ('token.reminded', "reminded of a token's end"), ('token.in_url', 'token sent in a URL'), ('application.registered', 'registered an application'), ('application.changed', 'changed an application'), ('application.secret_replaced', "replaced an application's secret"), ('application.removed', 'removed an application'), ('application.connected', 'connected an application'), ('application.disconnected', 'disconnected an application'), ('session.began', 'signed in with an application'), ('session.ended', 'ended a session of an application'), ('session.code_reused', 'authorization code used twice'), ('session.refresh_reused', 'refresh token used twice')], max_length=40),
        ),
        migrations.AlterField(
            model_name='event',
            name='actor_kind',
            field=models.CharField(choices=[('user', 'person'), ('operator', 'operator'), ('token', 'token'), ('app', 'application'), ('system', 'system')], max_length=10),
        ),
    ]
