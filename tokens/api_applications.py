"""REST for applications, OAuth's clients of an account. What is right of one, the portal's forms decide here too."""

from typing import Any
from uuid import uuid4

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import path
from django_filters import FilterSet, UUIDFilter
from rest_framework import serializers

from profiles.models import Account
from profiles.permissions import MACHINE_ROLES, Act
from profiles.rest.acts import Input, Line, Moment, Nothing, changes, creates, lists, reads, writes
from profiles.rest.asking import Asked
from profiles.rest.endpoints import resource
from profiles.rest.filtering import errors_of
from profiles.rest.problems import Conflict
from tokens.forms_applications import (
    MACHINE,
    MAX_REDIRECTS,
    PEOPLE,
    MachineEditForm,
    PeopleEditForm,
    RegisterForm,
)
from tokens.models import Application, Registered

ROLES = [(role.value, role.value) for role in MACHINE_ROLES]
KINDS = [(PEOPLE, "acts for people"), (MACHINE, "runs on its own")]


class ApplicationOutput(serializers.Serializer[Any]):
    client_id = serializers.CharField()
    account = serializers.UUIDField(source="account_id")
    name = serializers.CharField()
    kind = serializers.SerializerMethodField()
    is_confidential = serializers.BooleanField()
    redirect_uris = serializers.SerializerMethodField()
    exchanges = serializers.BooleanField(source="may_exchange")
    secret_last_four = serializers.CharField()
    created_at = Moment(source="created")
    last_used_at = Moment(allow_null=True)
    disabled_at = Moment(allow_null=True)

    def get_kind(self, application: Application) -> str:
        return MACHINE if application.runs_alone else PEOPLE

    def get_redirect_uris(self, application: Application) -> list[str]:
        return application.redirect_uris.split()


class RegisteredOutput(ApplicationOutput):
    id = serializers.CharField(help_text="The client id.")
    client_secret = serializers.CharField(allow_null=True, help_text="Shown this once; a public client has none.")

    def to_representation(self, made: Registered) -> dict[str, Any]:
        shown = ApplicationOutput(made.application, context=self.context).data
        secret = made.key.text if made.key else None
        return {**shown, "id": made.application.client_id, "client_secret": secret}


class ApplicationInput(Input):
    name = Line(max_length=80)
    redirect_uris = serializers.ListField(
        child=serializers.CharField(max_length=500), max_length=MAX_REDIRECTS, required=False
    )
    exchanges = serializers.BooleanField(required=False, help_text="Token exchange (RFC 8693).")
    role = serializers.ChoiceField(choices=ROLES, required=False, help_text="Of a machine.")
    profiles = serializers.ListField(child=serializers.UUIDField(), max_length=200, required=False)


class RegisterInput(ApplicationInput):
    account = serializers.UUIDField(required=False)
    kind = serializers.ChoiceField(choices=KINDS)
    is_confidential = serializers.BooleanField(default=True, help_text="Whether it can keep a secret.")


class ApplicationFilters(FilterSet):
    account = UUIDFilter(field_name="account_id")


def _managed(asked: Asked) -> QuerySet[Application]:
    accounts = Account.objects.where(asked.user, Act.MANAGE_TOOLKITS)
    found = asked.here(Application.objects.filter(account__in=accounts))
    return found.select_related("account", "user", "machine")


def _one(asked: Asked, client_id: str) -> Application:
    return get_object_or_404(_managed(asked), client_id=client_id)


def _as_form(wish: dict[str, Any]) -> dict[str, Any]:
    """Return the members as the portal's form has them; only what is said."""
    said: dict[str, Any] = {name: wish[name] for name in ("name", "exchanges", "role", "kind") if name in wish}
    if "redirect_uris" in wish:
        said |= {"redirect_uris": "\n".join(wish["redirect_uris"]), "signs_in": bool(wish["redirect_uris"])}
    if "profiles" in wish:
        said["toolkits"] = [str(pk) for pk in wish["profiles"]]
    if "is_confidential" in wish:
        said["client_type"] = Application.CLIENT_CONFIDENTIAL if wish["is_confidential"] else Application.CLIENT_PUBLIC
    return said


@lists(
    "applications:read",
    ApplicationOutput,
    filters=ApplicationFilters,
    orderings=("name", "-name", "created", "-created"),
)
def list_applications(asked: Asked) -> QuerySet[Application]:
    return _managed(asked)


@reads("applications:read", ApplicationOutput)
def get_application(asked: Asked, client_id: str) -> Application:
    return _one(asked, client_id)


@creates("applications:write", RegisteredOutput, RegisterInput, is_secret=True)
def register_application(asked: Asked, wish: dict[str, Any]) -> Registered:
    """Register an application; the answer shows its secret. For a person who has just confirmed who they are."""
    account = asked.account_where(Act.MANAGE_TOOLKITS, wish.get("account"))
    form = RegisterForm({**_as_form(wish), "request_key": uuid4()}, account=account)
    if not form.is_valid():
        raise serializers.ValidationError(_named(errors_of(form)))
    asked.refuse_unconfirmed("/applications/new/")
    return form.register(asked.user, by=asked.by, now=asked.now)


@changes("applications:write", ApplicationOutput, ApplicationInput)
def change_application(asked: Asked, wish: dict[str, Any], client_id: str) -> Application:
    """Change what it is; whoever lets it do more than before has just confirmed who they are."""
    found = _one(asked, client_id)
    of_its_kind: type[Any] = MachineEditForm if found.runs_alone else PeopleEditForm
    form = of_its_kind({**of_its_kind(application=found).initial, **_as_form(wish)}, application=found)
    if not form.is_valid():
        raise serializers.ValidationError(_named(errors_of(form)))
    if form.is_widening:
        asked.refuse_unconfirmed(f"/applications/{client_id}/edit/")
    form.save(by=asked.by, now=asked.now)
    return _one(asked, client_id)


def _named(errors: dict[str, list[str]]) -> dict[str, list[str]]:
    names = {"signs_in": "redirect_uris", "client_type": "is_confidential"}
    return {names.get(name, name): texts for name, texts in errors.items()}


@writes("applications:write", None)
def remove_application(asked: Asked, client_id: str) -> None:
    """Delete it; connections, sessions and tokens that came of it end, before this answers."""
    _one(asked, client_id).remove(by=asked.by, now=asked.now)


@creates("applications:write", RegisteredOutput, Nothing, is_secret=True)
def replace_application_secret(asked: Asked, wish: dict[str, Any], client_id: str) -> Registered:
    """Give it another secret; the one before is refused before this answers. For a person who has just confirmed."""
    found = _one(asked, client_id)
    if not found.is_confidential:
        raise Conflict("A public client has no secret.")
    asked.refuse_unconfirmed(f"/applications/{client_id}/secret/")
    key = found.replace_secret(found.secret_last_four, by=asked.by, now=asked.now)
    if key is None:
        raise Conflict("Its secret was replaced a moment ago.")
    return Registered(found, key)


@writes("applications:write", ApplicationOutput)
def disable_application(asked: Asked, client_id: str) -> Application:
    """Refuse it, and its access tokens, until it is enabled; what it exchanged ends for good."""
    _one(asked, client_id).disable(by=asked.by, now=asked.now)
    return _one(asked, client_id)


@writes("applications:write", ApplicationOutput)
def enable_application(asked: Asked, client_id: str) -> Application:
    """Take it again; for a person who has just confirmed who they are."""
    found = _one(asked, client_id)
    asked.refuse_unconfirmed(f"/applications/{client_id}/")
    found.enable(by=asked.by, now=asked.now)
    return _one(asked, client_id)


urlpatterns = [
    path("applications", resource(get=list_applications, post=register_application)),
    path(
        "applications/<slug:client_id>",
        resource(get=get_application, patch=change_application, delete=remove_application),
    ),
    path("applications/<slug:client_id>/secret", resource(post=replace_application_secret)),
    path("applications/<slug:client_id>/disable", resource(post=disable_application)),
    path("applications/<slug:client_id>/enable", resource(post=enable_application)),
]
