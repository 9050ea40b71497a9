from django.urls import path

from activity import views, views_events, views_export

urlpatterns = [
    path("activity/", views.activity, name="activity"),
    path("activity/tail/", views.tail, name="activity_tail"),
    path("activity/calls/<uuid:pk>/", views.call, name="call"),
    path("activity/export", views_export.export_calls, name="export_calls"),
    path("activity/events/", views_events.events, name="events"),
    path("activity/events/export", views_export.export_events, name="export_events"),
]
