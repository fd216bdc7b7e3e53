"""Reports for scripts, as JSON."""

import json

from django.http import JsonResponse
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from campaigns.models import Campaign, Report
from campaigns.orders import order_report


@csrf_exempt
@require_POST
def reports(request):
    try:
        wanted = json.loads(request.body or "{}")
        campaigns = Campaign.objects.order_by("pk")
        if "campaign" in wanted:
            campaigns = campaigns.filter(pk=int(wanted["campaign"]))
    except (ValueError, TypeError):
        return problem(400, 'expected a JSON object like {"campaign": 1}')
    campaign = campaigns.first()
    if campaign is None:
        return problem(404, "no such campaign")
    report = order_report(campaign)
    return JsonResponse({"id": report.pk, "url": reverse("api-report", args=[report.pk])}, status=202)


@require_safe
def report(request, report_id):
    report = Report.objects.filter(pk=report_id).first()
    if report is None:
        return problem(404, f"no report {report_id}")
    return JsonResponse(
        {
            "id": report.pk,
            "state": report.state,
            "file": report.url,
            "table": Report._meta.db_table,
            "mail_subject": report.mail_subject,
            "error": report.error or None,
        }
    )


def problem(status, message):
    return JsonResponse({"error": message}, status=status)
