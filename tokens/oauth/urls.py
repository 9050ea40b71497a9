"""The addresses of the OAuth server; none of them ends in a slash, none redirects."""

from django.urls import path

from tokens.oauth.registration import register
from tokens.oauth.token import token

urlpatterns = [
    path("oauth/token", token, name="oauth_token"),
    path("token", token),
    path("oauth/register", register, name="oauth_register"),
    path("register", register),
]
