"""Addresses of the administrator's sign-in and of the solution."""

from django.urls import path

from connection import views

app_name = "connection"

urlpatterns = [
    path("sign-in/", views.sign_in, name="sign-in"),
    path("signed-in/", views.signed_in, name="signed-in"),
    path("solution/", views.solution, name="solution"),
]
