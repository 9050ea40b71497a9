"""REST for people and what their accounts are made of; one file for each noun."""

from typing import Any

from django.urls import path
from rest_framework import serializers

from profiles import api_accounts, api_authorizations, api_members, api_profiles, api_servers, api_tools
from profiles.models import Notifications, ReminderStage, User
from profiles.models.people import validate_time_zone
from profiles.rest.acts import Input, Line, changes, reads
from profiles.rest.asking import Asked
from profiles.rest.endpoints import resource


class MeOutput(serializers.Serializer[User]):
    email = serializers.EmailField()
    name = serializers.CharField()
    time_zone = serializers.CharField()
    account = serializers.SerializerMethodField(help_text="The account that is meant where none is named.")

    def get_account(self, user: User) -> str:
        return str(self.context["asked"].account().pk)


class MeInput(Input):
    name = Line(max_length=120, required=False, allow_blank=True)
    time_zone = serializers.CharField(max_length=64, required=False, validators=[validate_time_zone])


@reads("me:read", MeOutput)
def get_me(asked: Asked) -> User:
    """Show who asks: the person who is signed in, or whose key it is."""
    return asked.user


@changes("me:write", MeOutput, MeInput)
def change_me(asked: Asked, wish: dict[str, Any]) -> User:
    asked.user.change(by=asked.by, now=asked.now, **wish)
    return asked.user


class NotificationsOutput(serializers.Serializer[Notifications]):
    sends_mail = serializers.BooleanField()
    mail_stages = serializers.ListField(child=serializers.ChoiceField(choices=ReminderStage.choices))


class NotificationsInput(Input):
    sends_mail = serializers.BooleanField(required=False)
    mail_stages = serializers.ListField(
        child=serializers.ChoiceField(choices=ReminderStage.choices), required=False, max_length=20
    )


@reads("notifications:read", NotificationsOutput)
def get_notifications(asked: Asked) -> Notifications:
    return Notifications.objects.of(asked.user)


@changes("notifications:write", NotificationsOutput, NotificationsInput)
def change_notifications(asked: Asked, wish: dict[str, Any]) -> Notifications:
    """Choose what of the reminders comes by mail too."""
    chosen = Notifications.objects.of(asked.user)
    said = {"sends_mail": chosen.sends_mail, "mail_stages": chosen.mail_stages} | wish
    chosen.change(**said, by=asked.by, now=asked.now)
    return Notifications.objects.of(asked.user)


urlpatterns = [
    path("me", resource(get=get_me, patch=change_me)),
    path("notifications", resource(get=get_notifications, patch=change_notifications)),
    *api_accounts.urlpatterns,
    *api_members.urlpatterns,
    *api_servers.urlpatterns,
    *api_profiles.urlpatterns,
    *api_tools.urlpatterns,
    *api_authorizations.urlpatterns,
]
