from django.urls import path

from nexus.guide import views, views_check

urlpatterns = [
    path("", views.guide, name="guide"),
    path("check/", views_check.check, name="guide_check"),
    path("clients/", views.all_clients, name="guide_clients"),
    path("clients/<slug:slug>/", views.client, name="guide_client"),
    path("<slug:slug>/", views.chapter, name="guide_chapter"),
]
