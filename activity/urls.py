from django.urls import path

from activity import views

urlpatterns = [
    path("activity/", views.activity, name="activity"),
    path("activity/token/<str:public_id>/", views.of_token, name="activity_of_token"),
]
