from django.urls import path

from profiles import views_guide, views_servers, views_settings, views_sign_in, views_toolkits

urlpatterns = [
    path("toolkits/", views_toolkits.toolkits, name="toolkits"),
    path("toolkits/new/", views_toolkits.toolkit_create, name="toolkit_create"),
    path("toolkits/<uuid:pk>/", views_toolkits.toolkit, name="toolkit"),
    path("toolkits/<uuid:pk>/edit/", views_toolkits.toolkit_edit, name="toolkit_edit"),
    path("toolkits/<uuid:pk>/delete/", views_toolkits.toolkit_delete, name="toolkit_delete"),
    path("toolkits/<uuid:pk>/servers/", views_toolkits.toolkit_server_add, name="toolkit_server_add"),
    path("toolkits/<uuid:pk>/servers/<uuid:server_pk>/tools/", views_toolkits.toolkit_tools, name="toolkit_tools"),
    path(
        "toolkits/<uuid:pk>/servers/<uuid:server_pk>/remove/",
        views_toolkits.toolkit_server_remove,
        name="toolkit_server_remove",
    ),
    path("servers/", views_servers.servers, name="servers"),
    path("servers/add/", views_servers.server_add, name="server_add"),
    path("servers/<uuid:pk>/", views_servers.server, name="server"),
    path("servers/<uuid:pk>/list/", views_servers.server_list, name="server_list"),
    path("servers/<uuid:pk>/remove/", views_servers.server_remove, name="server_remove"),
    path("settings/", views_settings.settings_page, name="settings"),
    path("settings/theme/", views_settings.settings_theme, name="settings_theme"),
    path("settings/account/", views_settings.settings_account, name="settings_account"),
    path("settings/mail/", views_settings.mail, name="mail"),
    path("guide/", views_guide.guide, name="guide"),
    path("guide/design/", views_guide.guide_design, name="guide_design"),
    path("accounts/link/<str:secret>/", views_sign_in.sign_in_link, name="sign_in_link"),
    path("accounts/confirm/", views_sign_in.confirm, name="confirm"),
    path("accounts/confirm/mail/", views_sign_in.confirm_mail, name="confirm_mail"),
    path("accounts/confirm/code/", views_sign_in.confirm_code, name="confirm_code"),
    path("accounts/password/change/", views_sign_in.own_password, name="account_change_password"),
    path("accounts/password/set/", views_sign_in.own_password, name="account_set_password"),
    path("accounts/email/", views_sign_in.no_page, name="account_email"),
    path("accounts/reauthenticate/", views_sign_in.reauthenticate, name="account_reauthenticate"),
]
