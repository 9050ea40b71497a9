"""Forms about signing in: second factors, passkeys, addresses, a new password after a forgotten one."""

from typing import Any

from allauth.account.forms import ResetPasswordKeyForm
from allauth.core import context
from allauth.mfa.base.forms import AuthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.forms import AuthenticateWebAuthnForm, LoginWebAuthnForm
from allauth.mfa.webauthn.internal import auth as webauthn
from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from profiles import factors, notices
from profiles.events import Action, Actor, Event
from profiles.forms import PLAIN_LINE
from profiles.models import Attempts, User
from profiles.models.people import MACHINE_DOMAIN
from profiles.signals import everything_distrusted

LARGEST = 20_000  # characters of what a browser says of a passkey
CODES = 5  # wrong ones in 10 minutes, per person
TOO_MANY = _("That was wrong too often. Wait 10 minutes, then try again.")
WRONG_CODE = _("This code is wrong, or was used already. Wait for the next one of your app, or use a recovery code.")
WRONG_PASSKEY = _("This passkey was not accepted. Try again, or confirm in another way.")
NOT_MADE = _("The passkey was not made. Press the button again.")


def code_field(**options: Any) -> forms.CharField:
    attrs = {"autocomplete": "one-time-code", "inputmode": "numeric", "class": "code-input", "spellcheck": "false"}
    return forms.CharField(max_length=20, widget=forms.TextInput(attrs=attrs), **options)


class CredentialField(forms.JSONField):
    """What a browser says of a passkey. What is not of that shape is refused before a library looks at it."""

    widget = forms.HiddenInput

    def __init__(self, *, parse: Any, refusal: str | Promise) -> None:
        super().__init__(error_messages={"required": refusal, "invalid": refusal})
        self.parse, self.refusal = parse, refusal

    def clean(self, value: Any) -> Any:
        if len(str(value)) > LARGEST:
            raise ValidationError(str(self.refusal))
        credential = super().clean(value)
        try:
            self.parse(credential)
        except (TypeError, ValueError, LookupError, AttributeError, ValidationError):
            raise ValidationError(str(self.refusal)) from None
        return credential


def used_passkey() -> CredentialField:
    return CredentialField(parse=webauthn.parse_authentication_response, refusal=WRONG_PASSKEY)


class AppForm(forms.Form):
    """The first code of an app that has just read the secret."""

    code = code_field(label=_("Code that the app shows"), help_text=_("Six digits; they change every 30 seconds."))


class FactorForm(forms.Form):
    code = code_field(label=_("Code"), help_text=_("Of your authenticator app, or one of your recovery codes."))


class PasskeyForm(forms.Form):
    """A passkey that the browser has just made."""

    name = forms.CharField(
        label=_("Name"), max_length=factors.MAX_NAME, required=False, validators=[PLAIN_LINE],
        help_text=_("By which you know it again, as in “Laptop” or “Blue key”."),
    )  # fmt: skip
    credential = CredentialField(parse=webauthn.parse_registration_response, refusal=NOT_MADE)

    def clean_credential(self) -> Any:
        credential = self.cleaned_data["credential"]
        try:
            webauthn.complete_registration(credential)
        except (TypeError, ValueError, LookupError, ValidationError):
            raise ValidationError(NOT_MADE) from None
        return credential


class PasskeyNameForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=factors.MAX_NAME, validators=[PLAIN_LINE])


class UsedPasskeyForm(forms.Form):
    """A passkey with which a signed-in person confirms who they are."""

    credential = used_passkey()

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_credential(self) -> Authenticator:
        try:
            return webauthn.complete_authentication(self.user, self.cleaned_data["credential"])
        except (TypeError, ValueError, LookupError, ValidationError):
            raise ValidationError(WRONG_PASSKEY) from None


class SecondFactorForm(AuthenticateForm):
    """The code that signing in asks for after the password."""

    code = code_field(label=_("Code"), help_text=_("Of your authenticator app, or one of your recovery codes."))

    def clean_code(self) -> str:
        now, by = timezone.now(), Actor.from_request(context.request)
        key = f"second-factor:{self.user.pk}"
        if not Attempts.objects.take(key, CODES, now=now):
            raise ValidationError(TOO_MANY)
        code: str = self.cleaned_data["code"]
        factor = factors.use_code(self.user, code, by=by, now=now)
        if factor is None:
            Event.record(Action.SIGN_IN_FAILED, by=by, now=now, subject=self.user, after={"method": "second factor"})
            raise ValidationError(WRONG_CODE)
        Attempts.objects.forget(key)
        self.authenticator = factor
        return code


class SecondPasskeyForm(AuthenticateWebAuthnForm):
    credential = used_passkey()


class PasskeySignInForm(LoginWebAuthnForm):
    credential = used_passkey()

    def clean_credential(self) -> Authenticator:
        try:
            return super().clean_credential()
        except (TypeError, ValueError, LookupError, AttributeError, ValidationError):
            raise ValidationError(gettext("No account here knows this passkey. Sign in in another way.")) from None


class EmailForm(forms.Form):
    email = forms.EmailField(
        label=_("New address"), max_length=254,
        help_text=_("We mail a code to it. Until you enter the code, nothing changes."),
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )  # fmt: skip

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"].lower()
        if email == self.user.email.lower():
            raise ValidationError(gettext("This is your address already."))
        if email.endswith(f"@{MACHINE_DOMAIN}"):
            raise ValidationError(gettext("No mail reaches this address."))
        return email


class NewPasswordForm(ResetPasswordKeyForm):
    """A new password for who has forgotten theirs, and whether they trust what was made before."""

    distrusts = forms.BooleanField(
        label=_("Revoke all my tokens and connected applications too"),
        required=False,
        help_text=_("If somebody else may have had your password. All browsers are signed out in any case."),
    )

    def save(self) -> None:
        by, now = Actor.from_request(context.request), timezone.now()
        with transaction.atomic():
            super().save()
            Event.record(Action.PASSWORD_CHANGED, by=by, now=now, subject=self.user, after={"method": "mailed link"})
            notices.notice_later(self.user, _("The password of your account was replaced"), by=by, now=now)
            if self.cleaned_data["distrusts"]:
                everything_distrusted.send(User, user=self.user, by=by, now=now)


class DeleteAccountForm(forms.Form):
    confirmation = forms.CharField(
        label=_("Address"), widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        self.fields["confirmation"].label = gettext("Type %(email)s to delete your account") % {"email": user.email}

    def clean_confirmation(self) -> str:
        text: str = self.cleaned_data["confirmation"]
        if text.strip().lower() != self.user.email.lower():
            raise ValidationError(
                gettext("Type “%(email)s”, exactly so. Nothing was deleted.") % {"email": self.user.email}
            )
        return text
