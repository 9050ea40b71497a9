from django.urls import path

from tokens import views, views_connections, views_install

urlpatterns = [
    path("install/", views_install.install, name="install"),
    path("install/preview/", views_install.preview, name="install_preview"),
    path("install/moment/", views_install.moment, name="install_moment"),
    path("tokens/", views.tokens, name="tokens"),
    path("tokens/applications/", views_connections.connections, name="connections"),
    path("tokens/applications/<slug:public_id>/", views_connections.connection, name="connection"),
    path("tokens/applications/<slug:public_id>/revoke/", views_connections.revoke, name="connection_revoke"),
    path(
        "tokens/applications/<slug:public_id>/sessions/<int:pk>/end/",
        views_connections.end_session,
        name="connection_session_end",
    ),
    path("tokens/<slug:public_id>/", views.token, name="token"),
    path("tokens/<slug:public_id>/revoke/", views.revoke, name="token_revoke"),
]
