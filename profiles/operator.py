"""What the commands of an operator at the shell have in common: whom they mean, and refusals in one line."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.db import DatabaseError

from profiles.models import Account, Toolkit, User
from profiles.upstream.errors import UpstreamError


@contextmanager
def one_line_refusals() -> Iterator[None]:
    """Turn what a model or an upstream refuses into one line, exit code 1 and no traceback."""
    try:
        yield
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from error
    except UpstreamError as error:
        raise CommandError(f"Nothing was saved. {error}") from error
    except DatabaseError as error:
        text = " ".join(str(error).split())
        raise CommandError(f"The database refused: {text}. Is it there, and migrated (manage.py migrate)?") from error


def user_with(email: str) -> User:
    user = User.objects.filter(email__iexact=email).first()
    if user is None:
        raise CommandError(f"Nobody here has the address {email}.")
    if not user.is_active:
        raise CommandError(f"{user} is disabled.")
    return user


def account_named(text: str | None) -> Account:
    """Return the account with this id or name; for none, the personal account of NEXUS_ADMIN_EMAIL."""
    if not text:
        return user_with(settings.NEXUS_ADMIN_EMAIL).personal_account
    living = Account.objects.filter(deleted_at=None)
    found = list(living.filter(pk=text) if is_uuid(text) else living.filter(name=text)[:2])
    if len(found) != 1:
        problem = "Several accounts have" if found else "No account has"
        raise CommandError(f"{problem} the name or id “{text}”. Give the account's id.")
    return found[0]


def is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def toolkit_named(account: Account, alias: str) -> Toolkit:
    toolkit = Toolkit.objects.named(account, alias)
    if toolkit is None:
        raise CommandError(f"The account “{account}” has no toolkit “{alias}”.")
    return toolkit


def usable_toolkit(user: User, alias: str) -> Toolkit:
    """Return the one toolkit with this alias that the person may use, in whichever account."""
    toolkits = Toolkit.objects.usable_by(user)
    found = list(toolkits.filter(alias=alias)[:2]) or list(toolkits.filter(former_aliases__alias=alias)[:2])
    if not found:
        raise CommandError(f"{user} may use no toolkit “{alias}”.")
    if len(found) > 1:
        raise CommandError(f"{user} may use toolkits “{alias}” of several accounts. Give the account with --account.")
    return found[0]
