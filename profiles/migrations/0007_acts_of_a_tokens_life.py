from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('profiles', '0006_machines_and_applications'),
    ]

    operations = [
        migrations.AlterField(
            model_name='event',
            name='action',
            field=models.CharField(choices=[('user.signed_in', 'signed in'), ('user.sign_in_failed', 'failed to sign in'), ('user.sign_in_link_made', 'made a sign-in link'), ('user.confirmed', 'confirmed who they are'), ('user.added', 'added a user'), ('user.changed', 'changed a user'), ('user.disabled', 'disabled a user'), ('user.enabled', 'enabled a user'), ('account.added', 'added an account'), ('member.added', 'added a member'), ('member.changed', "changed a member's role"), ('member.removed', 'removed a member'), ('server.added', 'added a server'), ('server.changed', 'changed a server'), ('server.removed', 'removed a server'), ('toolkit.created', 'created a toolkit'), ('toolkit.changed', 'changed a toolkit'), ('toolkit.deleted', 'deleted a toolkit'), ('authorization.connected', 'connected an authorization'), ('authorization.changed', 'changed an authorization'), ('authorization.ended', 'ended an authorization'), ('authorization.died', 'authorization no longer taken'), ('toolkit.tools_altered', 'altered tools of a toolkit'), ('token.issued', 'issued a token'), ('token.revoked', 'revoked a token'), ('token.expired', 'token expired'), ('token.first_used', 'token first used'), ('token.reminded', "reminded of a token's end"), ('token.replaced', 'replaced a token'), ('token.activated', 'token took over'), ('token.overlap_ended', 'replaced token ended'), ('token.reused', 'ended token used'), ('token.paused', 'paused a token'), ('token.resumed', 'resumed a token'), ('token.narrowed', 'narrowed a token'), ('token.leak_reported', 'reported a leaked token'), ('account.paused', 'paused an account'), ('account.resumed', 'resumed an account'), ('toolkit.paused', 'paused a toolkit'), ('toolkit.resumed', 'resumed a toolkit'), ('policy.changed', 'changed a policy'), ('user.notifications_changed', 'changed notifications'), ('webhook.added', 'added a webhook'), ('webhook.changed', 'changed a webhook'), ('webhook.removed', 'removed a webhook'), ('feed.made', 'made a calendar feed'), ('feed.revoked', 'revoked a calendar feed'), ('key.made', 'made a management key'), ('key.revoked', 'revoked a management key'), ('token.in_url', 'token sent in a URL'), ('application.registered', 'registered an application'), ('application.changed', 'changed an application'), ('application.secret_replaced', "replaced an application's secret"), ('application.removed', 'removed an application'), ('application.connected', 'connected an application'), ('application.disconnected', 'disconnected an application'), ('session.began', 'signed in with an application'), ('session.ended', 'ended a session of an application'), ('session.code_reused', 'authorization code used twice'), ('session.refresh_reused', 'refresh token used twice')], max_length=40),
        ),
    ]
