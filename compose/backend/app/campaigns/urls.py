from django.urls import path

from campaigns import api, views

urlpatterns = [
    path("", views.campaigns, name="campaigns"),
    path("campaigns/<int:campaign_id>/reports/", views.order_report, name="order-report"),
    path("static/reports/<int:report_id>.svg", views.report_file),
    path("api/reports/", api.reports),
    path("api/reports/<int:report_id>/", api.report, name="api-report"),
]
