from django.urls import path

from profiles import views_guide

urlpatterns = [
    path("guide/design/", views_guide.guide_design, name="guide_design"),
]
