from django.http import Http404, HttpRequest

from profiles.models import Account, User
from profiles.permissions import Act, Reach, roles_with

SESSION_KEY = "account"
SHOWN = "shown_account"  # in a form: the account that its page shows
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def signed_in(request: HttpRequest) -> User:
    """Return the person; only for pages behind sign-in."""
    user = request.user
    if not isinstance(user, User):
        raise Http404
    return user


def current_account(request: HttpRequest) -> Account:
    """Return the account that the portal shows: the session's choice, else the personal one, else any of theirs.

    What a form is sent for is what its page showed, whichever account another tab has turned to since, and no other
    one where that is no longer theirs.
    """
    known = getattr(request, "_account", None)
    if isinstance(known, Account):
        return known
    account = _choose(request)
    if account is None:
        raise Http404("You are not a member of any account.")
    request._account = account  # type: ignore[attr-defined]
    return account


def own_accounts(request: HttpRequest) -> list[Account]:
    """Return the accounts that the person is a member of, each with their role, the personal one first."""
    known = getattr(request, "_accounts", None)
    if isinstance(known, list):
        return known
    user = signed_in(request)
    mine = list(Account.objects.with_role_of(user).order_by("created_at"))
    mine.sort(key=lambda account: (account.personal_of_id != user.pk, account.name.lower()))
    request._accounts = mine  # type: ignore[attr-defined]
    return mine


def _choose(request: HttpRequest) -> Account | None:
    mine = own_accounts(request)
    shown = request.POST.get(SHOWN) if request.content_type in FORMS else None
    if shown:
        return next((account for account in mine if str(account.pk) == shown), None)
    wanted = (request.session.get(SESSION_KEY), str(signed_in(request).chosen_account_id))
    by_choice = [account for choice in wanted for account in mine if str(account.pk) == choice]
    return next(iter([*by_choice, *mine]), None)


def show_account(request: HttpRequest, account: Account) -> None:
    """Show this account of the person from now on, here and when they sign in again."""
    request.session[SESSION_KEY] = str(account.pk)
    User.objects.filter(pk=signed_in(request).pk).update(chosen_account=account)


def organization_with(request: HttpRequest, pk: object, act: Act, *, any_reach: bool = False) -> Account:
    """Return an organization in which the person may do the act, to everything or at all; 404 for everybody else."""
    allowed = roles_with(act) + (roles_with(act, Reach.OWN) if any_reach else [])
    mine = (account for account in own_accounts(request) if account.pk == pk and account.is_organization)
    found = next((account for account in mine if account.own_role in allowed), None)
    if found is None:
        raise Http404
    return found


def managed_organization(request: HttpRequest) -> Account:
    """Return the current account, if it is an organization whose members the person manages; else 404."""
    return organization_with(request, current_account(request).pk, Act.MANAGE_MEMBERS)


def managed_account(request: HttpRequest) -> Account:
    """Return the current account to whoever may change its toolkits and servers; 404 for everybody else."""
    account = current_account(request)
    if not account.lets(signed_in(request), Act.MANAGE_TOOLKITS):
        raise Http404
    return account
