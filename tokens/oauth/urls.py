"""The addresses of the OAuth server; none of them ends in a slash, none redirects."""

from django.urls import path

from tokens.oauth.introspect import introspect
from tokens.oauth.revoke import revoke
from tokens.oauth.token import token

urlpatterns = [
    path("oauth/token", token, name="oauth_token"),
    path("token", token),
    path("oauth/revoke", revoke, name="oauth_revoke"),
    path("oauth/introspect", introspect, name="oauth_introspect"),
]
