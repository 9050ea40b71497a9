from django.http import Http404, HttpRequest

from profiles.models import Account, User
from profiles.permissions import Act

SESSION_KEY = "account"


def signed_in(request: HttpRequest) -> User:
    """Return the person; only for pages behind sign-in."""
    user = request.user
    if not isinstance(user, User):
        raise Http404
    return user


def current_account(request: HttpRequest) -> Account:
    """Return the account that the portal shows: the session's choice, else the personal one, else any of theirs."""
    known = getattr(request, "_account", None)
    if isinstance(known, Account):
        return known
    account = _choose(request)
    if account is None:
        raise Http404("You are not a member of any account.")
    request._account = account  # type: ignore[attr-defined]
    return account


def _choose(request: HttpRequest) -> Account | None:
    user = signed_in(request)
    mine = list(Account.objects.with_role_of(user).order_by("created_at"))
    chosen = request.session.get(SESSION_KEY)
    by_choice = [account for account in mine if str(account.pk) == chosen]
    personal = [account for account in mine if account.personal_of_id == user.pk]
    return next(iter([*by_choice, *personal, *mine]), None)


def managed_account(request: HttpRequest) -> Account:
    """Return the current account to whoever may change its toolkits and servers; 404 for everybody else."""
    account = current_account(request)
    if not account.lets(signed_in(request), Act.MANAGE_TOOLKITS):
        raise Http404
    return account
