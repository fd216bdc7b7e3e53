"""Orders work from the task runner."""

from django.db import transaction

from campaigns.models import Campaign, Report
from campaigns.tasks import draw_report


def order_report(campaign: Campaign) -> Report:
    # Both or neither: no report without a job, and no job that finds no report.
    with transaction.atomic():
        report = Report.objects.create(campaign=campaign)
        draw_report.enqueue(report.pk)
    return report
