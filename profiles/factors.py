"""Second factors: an authenticator app, passkeys, recovery codes. allauth keeps them; the rules are here."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from allauth.mfa.utils import decrypt, encrypt
from allauth.mfa.webauthn.internal import auth as webauthn
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.crypto import constant_time_compare
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from profiles import encryption, notices
from profiles.events import Action, Actor, Event
from profiles.models import User

Type = Authenticator.Type
STEP = 30  # seconds that a code of an app is good for (RFC 6238 section 4.1)
DRIFT = (-1, 0, 1)  # steps by which the clock of a phone may be off
PASSKEYS = 20  # of one person
MAX_NAME = 60
ADDED = {
    Type.TOTP: _("An authenticator app was added to your account"),
    Type.WEBAUTHN: _("The passkey “{name}” was added to your account"),
}
REMOVED = {
    Type.TOTP: _("An authenticator app was removed from your account"),
    Type.WEBAUTHN: _("The passkey “{name}” was removed from your account"),
}


@dataclass(slots=True)
class Factors:
    """What a person has."""

    app: Authenticator | None = None
    codes: Authenticator | None = None
    passkeys: list[Authenticator] = field(default_factory=list)

    @property
    def is_on(self) -> bool:
        return bool(self.app or self.passkeys)

    @property
    def codes_left(self) -> int:
        return len(self.codes.wrap().get_unused_codes()) if self.codes and is_readable(self.codes) else 0

    @property
    def are_codes_few(self) -> bool:
        return self.codes_left < 4


def is_readable(factor: Authenticator) -> bool:
    """Return False where the key that wrote it is no longer there: then no code is its own."""
    return encryption.is_readable(factor.data[_column(factor.type)])


def of(user: User) -> Factors:
    found = Factors()
    for each in Authenticator.objects.filter(user=user).order_by("pk"):
        if each.type == Type.WEBAUTHN:
            found.passkeys.append(each)
        elif each.type == Type.TOTP:
            found.app = each
        else:
            found.codes = each
    return found


def has_second(user: User) -> bool:
    return Authenticator.objects.filter(user=user, type__in=(Type.TOTP, Type.WEBAUTHN)).exists()


def turn_on_app(user: User, secret: str, code: str, *, by: Actor, now: datetime) -> list[str] | None:
    """Turn the app on that shows this code, and return new recovery codes if there were none; None for a wrong code."""
    step = _step_of(secret, "".join(code.split()), after=0, now=now)
    if step is None:
        return None
    with transaction.atomic():
        _refuse_unverified(user)
        if Authenticator.objects.filter(user=user, type=Type.TOTP).exists():
            raise ValidationError(_("An authenticator app is on already. Remove it first."))
        app = Authenticator.objects.create(
            user=user, type=Type.TOTP, data={"secret": encrypt(secret), "last_step": step}
        )
        return _added(user, app, by=by, now=now)


def add_passkey(user: User, name: str, credential: dict[str, Any], *, by: Actor, now: datetime) -> list[str]:
    """Keep a passkey that the browser has just made, and return new recovery codes if there were none."""
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        _refuse_unverified(user)
        if Authenticator.objects.filter(user=user, type=Type.WEBAUTHN).count() >= PASSKEYS:
            raise ValidationError(
                _("%(number)s passkeys are the most there can be. Remove one first.") % {"number": PASSKEYS}
            )
        return _added(user, webauthn.WebAuthn.add(user, name, credential).instance, by=by, now=now)


def _refuse_unverified(user: User) -> None:
    """Refuse to lock an account to whoever has not shown that the address is theirs."""
    if EmailAddress.objects.filter(user=user, verified=False, primary=True).exists():
        raise ValidationError(_("Confirm your address first: sign out, and sign in with a mailed code."))


def _added(user: User, factor: Authenticator, *, by: Actor, now: datetime) -> list[str]:
    Event.record(Action.FACTOR_ADDED, by=by, now=now, subject=user, after=_described(factor))
    notices.notice_later(user, format_lazy(ADDED[factor.type], name=factor.data.get("name")), by=by, now=now)
    if Authenticator.objects.filter(user=user, type=Type.RECOVERY_CODES).exists():
        return []
    return _make_codes(user, by=by, now=now)


def make_codes(user: User, *, by: Actor, now: datetime) -> list[str]:
    """Replace the recovery codes, and return the new ones, which nobody sees again."""
    with transaction.atomic():
        if not has_second(user):
            raise ValidationError(_("Recovery codes stand in for a second factor. Turn one on first."))
        Authenticator.objects.filter(user=user, type=Type.RECOVERY_CODES).delete()
        notices.notice_later(user, _("New recovery codes were made for your account"), by=by, now=now)
        return _make_codes(user, by=by, now=now)


def _make_codes(user: User, *, by: Actor, now: datetime) -> list[str]:
    codes: list[str] = RecoveryCodes.activate(user).generate_codes()
    Event.record(Action.RECOVERY_CODES_MADE, by=by, now=now, subject=user, after={"number": len(codes)})
    return codes


def rename_passkey(user: User, passkey: Authenticator, name: str, *, by: Actor, now: datetime) -> bool:
    """Give a passkey another name; return False if it is the one it has."""
    with transaction.atomic():
        stored = Authenticator.objects.select_for_update().get(pk=passkey.pk)
        before = stored.data["name"]
        if before == name:
            return False
        stored.data["name"] = name
        stored.save(update_fields=["data"])
        Event.record(Action.FACTOR_CHANGED, by=by, now=now, subject=user, before={"name": before}, after={"name": name})
    return True


def remove(user: User, factor: Authenticator, *, by: Actor, now: datetime) -> None:
    """Take a factor away; with the last one the recovery codes go, which stand in for nothing then."""
    with transaction.atomic():
        Event.record(Action.FACTOR_REMOVED, by=by, now=now, subject=user, before=_described(factor))
        notices.notice_later(user, format_lazy(REMOVED[factor.type], name=factor.data.get("name")), by=by, now=now)
        factor.delete()
        if not has_second(user):
            Authenticator.objects.filter(user=user).delete()


def reset(user: User, *, by: Actor, now: datetime) -> int:
    """Take every factor from a person who has lost theirs; return how many there were. For an operator."""
    with transaction.atomic():
        found = [each for each in Authenticator.objects.filter(user=user) if each.type != Type.RECOVERY_CODES]
        for factor in found:
            remove(user, factor, by=by, now=now)
    return len(found)


def use_code(user: User, code: str, *, by: Actor, now: datetime) -> Authenticator | None:
    """Return the factor whose code this is, app or recovery code; each code is good once (RFC 6238 section 5.2)."""
    plain = re.sub(r"[\s-]", "", code)
    if not (plain.isascii() and plain.isdigit()):
        return None
    with transaction.atomic():
        mine = Authenticator.objects.filter(user=user).exclude(type=Type.WEBAUTHN)
        for factor in filter(is_readable, mine.select_for_update().order_by("pk")):
            if _takes_app(factor, plain, now) if factor.type == Type.TOTP else _takes_recovery(factor, plain):
                Authenticator.objects.filter(pk=factor.pk).update(last_used_at=now)
                if factor.type == Type.RECOVERY_CODES:
                    _note_recovery(user, factor, by=by, now=now)
                return factor
    return None


def _takes_app(factor: Authenticator, code: str, now: datetime) -> bool:
    step = _step_of(decrypt(factor.data["secret"]), code, after=factor.data.get("last_step", 0), now=now)
    if step is None:
        return False
    factor.data["last_step"] = step
    factor.save(update_fields=["data"])
    return True


def _takes_recovery(factor: Authenticator, code: str) -> bool:
    return bool(RecoveryCodes(factor).validate_code(code))


def _note_recovery(user: User, factor: Authenticator, *, by: Actor, now: datetime) -> None:
    factor.refresh_from_db()
    left = len(RecoveryCodes(factor).get_unused_codes())
    Event.record(Action.RECOVERY_CODE_USED, by=by, now=now, subject=user, after={"left": left})
    what = format_lazy(_("A recovery code of your account was used; {left} are left"), left=left)
    notices.notice_later(user, what, by=by, now=now)


def _step_of(secret: str, code: str, *, after: int, now: datetime) -> int | None:
    """Return the step whose code this is, later than the last one used; every candidate is compared."""
    here = int(now.timestamp()) // STEP
    fits = [
        step
        for step in (here + drift for drift in DRIFT)
        if constant_time_compare(format_hotp_value(hotp_value(secret, step)), code) and step > after
    ]
    return fits[0] if fits else None


def named(factors: Sequence[Authenticator]) -> str:
    """Return a name for one more passkey."""
    taken = {each.data["name"] for each in factors}
    number = len(factors) + 1
    return next(
        name
        for name in (_("Passkey %(number)s") % {"number": number + more} for more in range(PASSKEYS + 2))
        if name not in taken
    )


def _described(factor: Authenticator) -> dict[str, Any]:
    name = {"name": factor.data["name"]} if factor.type == Type.WEBAUTHN else {}
    return {"kind": str(factor.type), **name}


def out_of_reach() -> int:
    """Return how many second factors need a key that is no longer there."""
    stored = Authenticator.objects.exclude(type=Type.WEBAUTHN)
    return sum(not is_readable(factor) for factor in stored.iterator())


def _column(kind: str) -> str:
    return "secret" if kind == Type.TOTP else "seed"


def rewrite_with_newest_key() -> tuple[int, int]:
    """Encrypt anew what an older of NEXUS_FIELD_KEYS wrote; return how many were rewritten, how many are unreadable."""
    rewritten = unreadable = 0
    keys = Authenticator.objects.exclude(type=Type.WEBAUTHN).values_list("pk", flat=True)
    for pk in list(keys):
        with transaction.atomic():
            factor = Authenticator.objects.select_for_update().filter(pk=pk).first()
            if factor is None or encryption.is_current(factor.data[column := _column(factor.type)]):
                continue
            try:
                factor.data[column] = encrypt(decrypt(factor.data[column]))
            except encryption.Unreadable:
                unreadable += 1
                continue
            factor.save(update_fields=["data"])
            rewritten += 1
    return rewritten, unreadable
