"""Addresses of crmbridge."""

from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LogoutView
from django.urls import include, path
from django.views.decorators.http import require_POST
from django.views.generic import RedirectView
from django.views.i18n import set_language

from coupling.urls import table_urls
from crmbridge import api, help, safe_mode, search, user_card
from crmbridge.guide.window import ConnectionView
from crmbridge.probes import healthz, metrics, readyz
from crmbridge.views import HomeView, SignInView, choose_theme
from crmbridge.web_services import WebServiceAuthentication
from financials.odata import odata_urls
from financials.views import CompanySettingsView
from sync.filters import WAITING, WITH_ERRORS

handler403 = "crmbridge.views.forbidden"
handler404 = "crmbridge.views.not_found"
handler500 = "crmbridge.views.failed"

user_urls = [
    path("", user_card.UserListView.as_view(), name="list"),
    path("<int:pk>/", user_card.UserCardView.as_view(), name="card"),
    path("<int:pk>/web-service-key/", user_card.ChangeWebServiceKeyView.as_view(), name="change_web_service_key"),
]

urlpatterns = [
    path("", HomeView.as_view(), name="home"),
    path("sign-in/", SignInView.as_view(), name="login"),
    path("sign-out/", LogoutView.as_view(), name="logout"),
    path("language/", login_not_required(require_POST(set_language)), name="set_language"),
    path("theme/", choose_theme, name="choose_theme"),
    path("connection/", ConnectionView.as_view(), name="connection"),
    path("connection/copied/", safe_mode.answer, name="copied_database"),
    path("search/", search.search, name="search"),
    path("help/", help.index, name="help"),
    path("help/<slug:name>/", help.topic, name="help_topic"),
    path("company/", CompanySettingsView.as_view(), name="company"),
    path("connection/", include("crmbridge.guide.urls")),
    path("users/", include((user_urls, "users"))),
    path("odata/", include(odata_urls(WebServiceAuthentication))),
    path("connection/", include("connection.urls")),
    path("connection/preflight/", include("coupling.preflight.urls")),
    path("tables/", include(table_urls(more_filters=[WITH_ERRORS, WAITING]))),
    path("", include("sync.urls")),
    path("api/", RedirectView.as_view(pattern_name="api:docs", http_method_names=["get"]), name="api"),
    path("api/v1/", include((api.router.urls, "api-v1"))),
    path("api/", include((api.schema_urls(), "api"))),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
    path("admin/", admin.site.urls),
]
