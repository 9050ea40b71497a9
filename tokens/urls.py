from django.urls import path

from tokens import views, views_applications, views_connections, views_install, views_replace

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
    path("applications/", views_applications.applications, name="applications"),
    path("applications/new/", views_applications.application_register, name="application_register"),
    path("applications/<slug:client_id>/", views_applications.application, name="application"),
    path("applications/<slug:client_id>/edit/", views_applications.application_edit, name="application_edit"),
    path("applications/<slug:client_id>/secret/", views_applications.application_secret, name="application_secret"),
    path("applications/<slug:client_id>/disable/", views_applications.application_disable, name="application_disable"),
    path("applications/<slug:client_id>/enable/", views_applications.application_enable, name="application_enable"),
    path("applications/<slug:client_id>/remove/", views_applications.application_remove, name="application_remove"),
    path("tokens/<slug:public_id>/replace/", views_replace.replace, name="token_replace"),
]
