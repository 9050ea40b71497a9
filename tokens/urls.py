from django.urls import path

from tokens import views, views_install

urlpatterns = [
    path("install/", views_install.install, name="install"),
    path("install/preview/", views_install.preview, name="install_preview"),
    path("install/moment/", views_install.moment, name="install_moment"),
    path("tokens/", views.tokens, name="tokens"),
    path("tokens/<slug:public_id>/", views.token, name="token"),
    path("tokens/<slug:public_id>/dismiss/", views.dismiss, name="token_dismiss"),
    path("tokens/<slug:public_id>/revoke/", views.revoke, name="token_revoke"),
]
