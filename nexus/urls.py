from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.urls import include, path
from django.views.decorators.http import require_POST
from django.views.i18n import set_language

from activity.home import home
from nexus import views_live
from nexus.api_docs import docs

urlpatterns = [
    path("", include("tokens.oauth.urls")),  # first: programs ask here, and the search goes from above
    path("", home, name="home"),
    path("install/live/", views_live.live, name="install_live"),
    path("install/live/stream/", views_live.stream, name="install_live_stream"),
    path("language/", require_POST(login_not_required(set_language)), name="set_language"),
    path("", include("profiles.urls")),
    path("", include("tokens.urls")),
    path("", include("activity.urls")),
    path("guide/", include("nexus.guide.urls")),
    path("api/v1/docs", docs, name="api_docs"),
    path("api/v1/", include("nexus.api")),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
]

handler400 = "nexus.views.bad_request"
handler500 = "nexus.views.server_error"
