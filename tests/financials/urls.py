"""The web service and the admin pages of the financials alone, so that their tests need no other room."""

from django.contrib import admin
from django.urls import include, path
from rest_framework.routers import DefaultRouter

from financials.api import VIEWSETS

router = DefaultRouter()
for name, viewset in VIEWSETS.items():
    router.register(name, viewset)

urlpatterns = [path("admin/", admin.site.urls), path("api/", include(router.urls))]
