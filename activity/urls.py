from django.urls import path

from activity import views, views_events, views_export, views_usage

urlpatterns = [
    path("activity/", views.activity, name="activity"),
    path("activity/tail/", views.tail, name="activity_tail"),
    path("activity/calls/<uuid:pk>/", views.call, name="call"),
    path("activity/export", views_export.export_calls, name="export_calls"),
    path("activity/unexpected/<uuid:pk>/fine/", views_usage.accept, name="finding_accept"),
    path("tokens/<slug:public_id>/activity/", views_usage.token_activity, name="token_activity"),
    path("tokens/<slug:public_id>/tighten/", views_usage.tighten_token, name="token_tighten"),
    path("toolkits/<uuid:pk>/activity/", views_usage.toolkit_activity, name="toolkit_activity"),
    path("toolkits/<uuid:pk>/tighten/", views_usage.tighten_toolkit, name="toolkit_tighten"),
    path("activity/events/", views_events.events, name="events"),
    path("activity/events/export", views_export.export_events, name="export_events"),
]
