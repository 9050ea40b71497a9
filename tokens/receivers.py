"""What tokens do when something below them changes, in the transaction of the change."""

from datetime import datetime, timedelta
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models.functions import Now
from django.db.models.signals import post_delete, post_migrate, post_save, pre_delete
from django.dispatch import receiver
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext, ngettext

from profiles.events import Actor
from profiles.models import Account, Member, Toolkit, User
from profiles.signals import (
    access_ended,
    account_deleted,
    archive_impact_wanted,
    authority_changed,
    everything_distrusted,
    impact_wanted,
    toolkit_deleted,
)
from tokens.models import (
    Application,
    Authority,
    AuthorityChange,
    Credentials,
    DelegatedToken,
    JobRun,
    ManagementKey,
    Policy,
    Webhook,
)
from tokens.models.registering import note_registered

LATELY = timedelta(hours=1)
NAMED = 5


@receiver(post_migrate)
def begin_counting(using: str, **kwargs: Any) -> None:
    if using == DEFAULT_DB_ALIAS and Authority._meta.db_table in connection.introspection.table_names():
        Authority.objects.get_or_create(pk=1)


@receiver(post_migrate)
def plan_the_jobs(using: str, apps: Any, **kwargs: Any) -> None:
    """Have staff find jobs that never ran; on the way back to before there were such rows, there are none."""
    try:
        field = apps.get_model("tokens", "JobRun")._meta.get_field("started_at")
    except LookupError:
        return
    if using == DEFAULT_DB_ALIAS and field.null:
        JobRun.objects.plan()


@receiver(post_save, sender=Application)
def note_a_document(instance: Application, created: bool, **kwargs: Any) -> None:
    """Write that a client became known by its document; django-oauth-toolkit makes these rows."""
    if created and instance.registration_source == Application.RegistrationSource.CIMD:
        note_registered(instance, by=Actor.system("client id metadata document"), now=timezone.now())


@receiver(authority_changed)
def advance_the_epoch(scope: str, subject: str, **kwargs: Any) -> None:
    Authority.objects.advance(scope, [subject])


@receiver(post_save, sender=Policy)
@receiver(post_delete, sender=Policy)
def look_at_its_tokens(instance: Policy, **kwargs: Any) -> None:
    """Have reminders look again: when a token is paused may have changed."""
    tokens = DelegatedToken.objects.filter(account=instance.account_id, stage=DelegatedToken.Stage.CURRENT)
    (tokens.filter(toolkit=instance.toolkit_id) if instance.toolkit_id else tokens).update(next_look_at=Now())


@receiver(toolkit_deleted)
def revoke_its_tokens(toolkit: Toolkit, by: Actor, now: datetime, **kwargs: Any) -> None:
    Credentials.of_toolkit(toolkit).revoke(by=by, reason=DelegatedToken.Reason.TOOLKIT_DELETED, now=now)


@receiver(access_ended)
def revoke_what_the_person_has(user: User, account: Account | None, by: Actor, now: datetime, **kwargs: Any) -> None:
    Credentials.of_owner(user, account).revoke(by=by, reason=DelegatedToken.Reason.LEFT, now=now)
    management = ManagementKey.objects.owned_by(user)
    (management.filter(account=account) if account else management).end_for_good(
        by=by, reason=DelegatedToken.Reason.LEFT, now=now
    )


@receiver(account_deleted)
def end_what_the_account_runs(account: Account, by: Actor, now: datetime, **kwargs: Any) -> None:
    for application in Application.objects.of(account).select_related("machine"):
        application.remove(by=by, now=now)
    for webhook in Webhook.objects.filter(account=account):
        webhook.remove(by=by, now=now)


@receiver(everything_distrusted)
def revoke_everything(user: User, by: Actor, now: datetime, **kwargs: Any) -> None:
    note = "revoked with everything else of theirs"
    Credentials.of_owner(user).revoke(by=by, reason=DelegatedToken.Reason.LEAKED, note=note, now=now)
    ManagementKey.objects.owned_by(user).end_for_good(by=by, reason=DelegatedToken.Reason.LEAKED, note=note, now=now)


@receiver(pre_delete, sender=User)
@receiver(pre_delete, sender=Account)
@receiver(pre_delete, sender=Member)
def forget_who_goes(instance: User | Account | Member, **kwargs: Any) -> None:
    if isinstance(instance, Account):
        Authority.objects.advance(AuthorityChange.Scope.ACCOUNT, [instance.pk])
    else:
        owner = instance.user_id if isinstance(instance, Member) else instance.pk
        Authority.objects.advance(AuthorityChange.Scope.OWNER, [owner])


@receiver(impact_wanted)
def what_ends_with(user: User, now: datetime, **kwargs: Any) -> list[str]:
    """Say what somebody loses who is disabled, and whether it is in use."""
    found, keys = Credentials.of_owner(user), ManagementKey.objects.owned_by(user).living(now).count()
    living = found.living(now)
    said = [gettext("Ends: %(what)s.") % {"what": living}] if living.total else []
    lately = list(found.tokens.living(now).filter(last_used_at__gt=now - LATELY).values_list("name", flat=True)[:NAMED])
    if lately:
        said.append(gettext("Used in the last hour: %(names)s.") % {"names": ", ".join(lately)})
    if keys:
        text = ngettext("Ends: %(number)d management key.", "Ends: %(number)d management keys.", keys)
        said.append(text % {"number": keys})
    return said or [gettext("Nothing of theirs is in use.")]


@receiver(archive_impact_wanted)
def what_stops_with(toolkit: Toolkit, now: datetime, **kwargs: Any) -> list[str]:
    """Say what of an archived toolkit stops to work, and when it worked last."""
    living = Credentials.of_toolkit(toolkit).living(now)
    if not living.total:
        return [gettext("Nothing that calls with it lives: nothing stops.")]
    verb = ngettext("%(what)s stops working.", "%(what)s stop working.", living.total) % {"what": living}
    if living.last_used_at is None:
        return [verb, ngettext("It has not been used yet.", "None of them has ever been used.", living.total)]
    used = ngettext("It was last used %(ago)s ago.", "One of them was last used %(ago)s ago.", living.total)
    return [verb, used % {"ago": timesince(living.last_used_at, now)}]
