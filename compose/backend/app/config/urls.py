from django.urls import include, path

from config.health import health

urlpatterns = [
    path("health", health),
    path("", include("campaigns.urls")),
]
