"""People, accounts and sign-in links in the Django admin."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from profiles import confirmation
from profiles.access import signed_in
from profiles.admin_forms import MemberForm, MemberFormSet, UserForm
from profiles.admin_pages import Answer, AsksFirst, ConfirmedAdmin, KeysetAdmin, badge
from profiles.events import Actor
from profiles.models import Account, Member, SignInLink, User
from profiles.permissions import Role
from profiles.signals import impact_wanted


@admin.register(User)
class UserAdmin(AsksFirst, ConfirmedAdmin):
    form = UserForm
    at_once = 20
    actions = ("disable", "enable")
    list_display = ("email", "name", "standing", "is_staff", "last_login", "date_joined")
    list_filter = ("is_active", "is_staff", "is_machine")
    search_fields = ("email", "name")
    search_help_text = _("By address or name.")
    ordering = ("email",)
    readonly_fields = ("standing", "last_login", "date_joined")

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        if obj is None:
            note = gettext(
                "The person gets a personal account, and no password: nobody can set one for them. After saving, "
                "this page says how to send them a sign-in link."
            )
            return [(None, {"fields": ("email", "name", "time_zone", "is_staff"), "description": note})]
        return [
            (None, {"fields": ("email", "name", "time_zone")}),
            (
                _("Access"),
                {"fields": ("standing", "is_staff"), "description": _("People are disabled, never deleted.")},
            ),
            (_("Seen"), {"fields": ("last_login", "date_joined")}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        return ("email", *self.readonly_fields) if obj else ()

    def get_form(self, request: HttpRequest, obj: User | None = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        return type(form.__name__, (form,), {"__init__": _with_user(form, signed_in(request))})

    @admin.display(description=_("state"), ordering="is_active")
    def standing(self, user: User) -> SafeString:
        if not user.is_active:
            return badge("bad", gettext("Disabled"))
        return badge("info", gettext("Machine")) if user.is_machine else badge("ok", gettext("Active"))

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        by, now = Actor.from_request(request), timezone.now()
        if not change:
            User.objects.add(obj, by=by, now=now)
            return
        obj.change(by=by, now=now, **{name: form.cleaned_data[name] for name in form.changed_data})

    def impact(self, row: User) -> list[str]:
        answers: list[tuple[Any, Any]] = impact_wanted.send(User, user=row, now=timezone.now())
        return [sentence for _, sentences in answers for sentence in sentences]

    @admin.action(description=_("Disable…"), permissions=["view"])
    def disable(self, request: HttpRequest, queryset: QuerySet[User]) -> Answer:
        by, now, own = Actor.from_request(request), timezone.now(), signed_in(request)
        warning = gettext(
            "They cannot sign in, and what they have ends at the next call: tokens, connected applications, "
            "keys. Let in again later, they begin with nothing. You yourself are left out."
        )
        others = queryset.exclude(pk=own.pk)
        return self.ask_then(
            request, others, "disable", warning, lambda one: one.pk != own.pk and one.disable(by=by, now=now)
        )

    @admin.action(description=_("Let in again"), permissions=["view"])
    def enable(self, request: HttpRequest, queryset: QuerySet[User]) -> Answer:
        if not confirmation.is_confirmed(request):
            return confirmation.ask(request, next_url=request.get_full_path())
        by, now = Actor.from_request(request), timezone.now()
        enabled = sum(one.enable(by=by, now=now) for one in queryset[: self.at_once])
        self.message_user(
            request,
            gettext("Let in again: %(enabled)s. Tokens that ended stay ended.") % {"enabled": enabled},
            "success",
        )
        return None

    def response_add(self, request: HttpRequest, obj: User, post_url_continue: Any = None) -> HttpResponse:
        command = format_html("<code>manage.py sign_in_link {}</code>", obj.email)
        self.message_user(
            request,
            format_html(
                gettext(
                    "To let {} in, run {} on the server and send them the link it prints. It works once, for an hour. "
                    "They may also ask the sign-in page for a mailed code."
                ),
                obj.email,
                command,
            ),
            "info",
        )
        return super().response_add(request, obj, post_url_continue)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Say what to do instead."""
        self.message_user(
            request,
            gettext(
                "People are not deleted: their tokens and their part in Activity would lose their owner. Disable "
                "the person instead; everything of theirs ends at the next call."
            ),
            "warning",
        )
        return redirect("admin:profiles_user_change", object_id)


def _with_user(form: Any, user: User) -> Any:
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        form.__init__(self, *args, request_user=user, **kwargs)

    return init


class MemberInline(admin.TabularInline):  # type: ignore[type-arg]
    model = Member
    form = MemberForm
    formset = MemberFormSet
    extra = 1
    verbose_name_plural = _("members")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Member]:
        return super().get_queryset(request).select_related("user", "account").order_by("user__email")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_staff

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_staff and not (obj and (obj.personal_of_id or obj.deleted_at))

    has_change_permission = has_delete_permission = has_add_permission


@admin.register(Account)
class AccountAdmin(AsksFirst, ConfirmedAdmin):
    list_display = ("name", "standing", "kind", "member_count", "created_at")
    actions = ("pause", "resume")
    list_select_related = ("personal_of",)
    list_filter = (("personal_of", admin.EmptyFieldListFilter),)
    search_fields = ("name", "members__user__email", "id")
    search_help_text = _("By name, id, or a member's address.")
    ordering = ("name",)
    inlines = (MemberInline,)
    fields = ("name", "standing", "kind", "id", "created_at")
    readonly_fields = ("standing", "kind", "id", "created_at")

    def get_fields(self, request: HttpRequest, obj: Account | None = None) -> Any:
        return self.fields if obj else ("name",)

    def get_readonly_fields(self, request: HttpRequest, obj: Account | None = None) -> Any:
        return ("name", *self.readonly_fields) if obj else ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        of_account = Member.objects.filter(account=OuterRef("pk")).order_by().values("account")
        counted = Subquery(of_account.annotate(number=Count("pk")).values("number"))
        return super().get_queryset(request).annotate(member_count=Coalesce(counted, 0))

    @admin.display(description=_("state"), ordering="paused_at")
    def standing(self, account: Account) -> SafeString:
        return badge("warn", gettext("Paused")) if account.paused_at else badge("ok", gettext("Running"))

    @admin.action(description=_("Pause (kill switch)…"), permissions=["view"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Account]) -> Answer:
        by, now = Actor.from_request(request), timezone.now()
        warning = gettext(
            "Every call with any token of it is refused at once. Nothing is revoked: resumed, all goes on."
        )
        return self.ask_then(request, queryset, "pause", warning, lambda one: one.pause(by=by, now=now))

    @admin.action(description=_("Resume"), permissions=["view"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Account]) -> Answer:
        if not confirmation.is_confirmed(request):
            return confirmation.ask(request, next_url=request.get_full_path())
        by, now = Actor.from_request(request), timezone.now()
        resumed = sum(one.resume(by=by, now=now) for one in queryset[: self.at_once])
        self.message_user(
            request, gettext("Resumed: %(resumed)s.") % {"resumed": resumed}, "success" if resumed else "warning"
        )
        return None

    @admin.display(description=_("kind"))
    def kind(self, account: Account) -> str:
        if account.personal_of:
            return gettext("Personal, of %(person)s") % {"person": account.personal_of}
        return gettext("Deleted organization") if account.deleted_at else gettext("Organization")

    @admin.display(description=_("members"), ordering="member_count")
    def member_count(self, account: Any) -> int:
        return int(account.member_count)

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, *args: Any, **kwargs: Any) -> Any:
        """Say what stands against it where somebody else has changed the members since the form was checked."""
        try:
            return super().changeform_view(request, object_id, *args, **kwargs)
        except ValidationError as error:
            self.message_user(
                request, gettext("Nothing was saved. %(problem)s") % {"problem": " ".join(error.messages)}, "error"
            )
            return redirect(request.get_full_path())

    def save_model(self, request: HttpRequest, obj: Account, form: Any, change: bool) -> None:
        if not change:
            Account.objects.add(obj, by=Actor.from_request(request), now=timezone.now())

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        by, now = Actor.from_request(request), timezone.now()
        formset.save(commit=False)
        for member in formset.new_objects:
            form.instance.add_member(member.user, Role(member.role), by=by, now=now)
        # New owners first: an account is never without one.
        for member, _changes in sorted(formset.changed_objects, key=lambda changed: changed[0].role != Role.OWNER):
            member.change_role(Role(member.role), by=by, now=now)
        for member in formset.deleted_objects:
            member.remove(by=by, now=now)


@admin.register(SignInLink)
class SignInLinkAdmin(KeysetAdmin):
    list_display = ("user", "standing", "expires_at", "used_at")
    list_select_related = ("user",)
    search_fields = ("user__email",)
    fields = ("user", "standing", "expires_at", "used_at")

    @admin.display(description=_("state"))
    def standing(self, link: SignInLink) -> SafeString:
        if link.used_at:
            return badge("", gettext("Used"))
        return badge("ok", gettext("Good")) if link.expires_at > timezone.now() else badge("", gettext("Expired"))
