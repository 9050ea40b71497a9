"""The addresses of the OAuth server; none of them ends in a slash, none redirects."""

from django.urls import path

from tokens.oauth.authorize import authorize
from tokens.oauth.introspect import introspect
from tokens.oauth.metadata import authorization_server, protected_resource
from tokens.oauth.registration import register
from tokens.oauth.resources import PATHS
from tokens.oauth.revoke import revoke
from tokens.oauth.token import token

# Clients put the resource's path behind the well-known one (RFC 8414 section 3.1) or before it (OpenID's way).
PLACES = ("oauth-authorization-server", "openid-configuration")
DESCRIBED = [path(f".well-known/{place}", authorization_server) for place in PLACES]
DESCRIBED += [path(f".well-known/{place}{resource}", authorization_server) for place in PLACES for resource in PATHS]
DESCRIBED += [
    path(f"{resource[1:]}/.well-known/{place}", authorization_server) for place in PLACES for resource in PATHS
]

urlpatterns = [
    path("oauth/authorize", authorize, name="oauth_authorize"),
    path("authorize", authorize),
    path("oauth/token", token, name="oauth_token"),
    path("token", token),
    path("oauth/register", register, name="oauth_register"),
    path("register", register),
    path(".well-known/oauth-protected-resource", protected_resource),
    *(path(f".well-known/oauth-protected-resource{at}", protected_resource, {"path": at}) for at in PATHS),
    *DESCRIBED,
    path("oauth/revoke", revoke, name="oauth_revoke"),
    path("oauth/introspect", introspect, name="oauth_introspect"),
]
