"""Addresses of crmbridge."""

from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LogoutView
from django.urls import include, path
from django.views.i18n import set_language

from coupling.urls import table_urls
from crmbridge import api
from crmbridge.views import ConnectionView, HomeView, SignInView, choose_theme
from sync.filters import WITH_ERRORS

handler403 = "crmbridge.views.forbidden"
handler404 = "crmbridge.views.not_found"
handler500 = "crmbridge.views.failed"

urlpatterns = [
    path("", HomeView.as_view(), name="home"),
    path("sign-in/", SignInView.as_view(), name="login"),
    path("sign-out/", LogoutView.as_view(), name="logout"),
    path("language/", login_not_required(set_language), name="set_language"),
    path("theme/", choose_theme, name="choose_theme"),
    path("connection/", ConnectionView.as_view(), name="connection"),
    path("tables/", include(table_urls(more_filters=[WITH_ERRORS]))),
    path("", include("sync.urls")),
    path("api/v1/", include((api.router.urls, "api-v1"))),
    path("api/", include((api.schema_urls(), "api"))),
    path("admin/", admin.site.urls),
]
