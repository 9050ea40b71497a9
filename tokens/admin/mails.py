from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from profiles.admin_pages import KeysetAdmin, every_field
from tokens.models import Digest, Reminder


@admin.register(Reminder)
class ReminderAdmin(KeysetAdmin):
    list_display = ("subject", "stage", "state", "claimed_at", "handed_over_at")
    list_select_related = ("token", "key")
    list_filter = ("state",)
    search_fields = (
        "token__owner__email", "token__name", "=token__public_id", "key__owner__email", "key__name", "=key__public_id"
    )  # fmt: skip
    search_help_text = _("By owner's address, service or public id.")
    fields = every_field(Reminder, but=("id",))


@admin.register(Digest)
class DigestAdmin(KeysetAdmin):
    list_display = ("owner", "state", "made_at", "attempts", "next_try_at", "settled_at")
    list_select_related = ("owner",)
    list_filter = ("state",)
    search_fields = ("owner__email",)
    search_help_text = _("By the person's address.")
    fields = every_field(Digest, but=("id",))
