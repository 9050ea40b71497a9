from django.urls import path

from tokens import views, views_feeds, views_install, views_webhooks

urlpatterns = [
    path("install/", views_install.install, name="install"),
    path("install/preview/", views_install.preview, name="install_preview"),
    path("install/moment/", views_install.moment, name="install_moment"),
    path("tokens/", views.tokens, name="tokens"),
    path("tokens/feed/<str:secret>.ics", views_feeds.feed_ics, name="feed_ics"),
    path("tokens/<slug:public_id>/calendar.ics", views_feeds.token_ics, name="token_ics"),
    path("settings/calendar/", views_feeds.feed, name="feed"),
    path("settings/calendar/revoke/", views_feeds.feed_revoke, name="feed_revoke"),
    path("settings/webhooks/", views_webhooks.webhooks, name="webhooks"),
    path("settings/webhooks/new/", views_webhooks.webhook_add, name="webhook_add"),
    path("settings/webhooks/<uuid:pk>/", views_webhooks.webhook, name="webhook"),
    path("settings/webhooks/<uuid:pk>/edit/", views_webhooks.webhook_edit, name="webhook_edit"),
    path("settings/webhooks/<uuid:pk>/secret/", views_webhooks.webhook_secret, name="webhook_secret"),
    path("settings/webhooks/<uuid:pk>/remove/", views_webhooks.webhook_remove, name="webhook_remove"),
    path("settings/webhooks/<uuid:pk>/test/", views_webhooks.webhook_test, name="webhook_test"),
    path(
        "settings/webhooks/<uuid:pk>/deliveries/<uuid:delivery_pk>/",
        views_webhooks.webhook_delivery,
        name="webhook_delivery",
    ),
    path(
        "settings/webhooks/<uuid:pk>/deliveries/<uuid:delivery_pk>/replay/",
        views_webhooks.webhook_replay,
        name="webhook_replay",
    ),
    path("guide/webhooks/", views_webhooks.guide, name="guide_webhooks"),
    path("tokens/<slug:public_id>/", views.token, name="token"),
    path("tokens/<slug:public_id>/revoke/", views.revoke, name="token_revoke"),
]
