"""The web service of the financials alone, so that its tests need no other room."""

from django.urls import include, path
from rest_framework.routers import DefaultRouter

from financials.api import VIEWSETS

router = DefaultRouter()
for name, viewset in VIEWSETS.items():
    router.register(name, viewset)

urlpatterns = [path("api/", include(router.urls))]
