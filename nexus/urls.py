from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path

from activity.home import home

# Staff sign in where everybody does, under the same limits; the admin's own form has none.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

urlpatterns = [
    path("", home, name="home"),
    path("", include("profiles.urls")),
    path("", include("tokens.urls")),
    path("", include("activity.urls")),
    path("api/v1/", include("nexus.api")),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
]

handler500 = "nexus.views.server_error"
