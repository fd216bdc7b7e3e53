"""What the task runner does."""

import os
import tempfile
from pathlib import Path

from django.conf import settings
from django.core.mail import send_mail
from django.db.models import Sum
from django.utils import timezone
from django_tasks import task

from campaigns.charts import draw_chart
from campaigns.models import DailyFigure, Report


@task()
def draw_report(report_id: int) -> str:
    report = Report.objects.select_related("campaign__customer").get(pk=report_id)
    report.state = Report.State.RUNNING
    report.save(update_fields=["state"])
    try:
        publish(report.path, chart_of(report))
        send_link(report)
    except Exception as error:
        finish(report, Report.State.FAILED, error=f"{type(error).__name__}: {error}")
        raise
    finish(report, Report.State.READY)
    return report.url


def chart_of(report: Report) -> str:
    days = (
        DailyFigure.objects.filter(advert__campaign=report.campaign)
        .values("day")
        .annotate(impressions=Sum("impressions"), clicks=Sum("clicks"))
        .order_by("day")
    )
    return draw_chart(
        title=report.campaign.name,
        note=f"Report {report.pk}, drawn {report.finished_at or timezone.now():%Y-%m-%d %H:%M:%S} UTC",
        days=[(each["day"], each["impressions"], each["clicks"]) for each in days],
    )


def publish(path: Path, text: str) -> None:
    """Write the file so that the web server never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=".", delete=False
    ) as draft:
        draft.write(text)
        os.fchmod(draft.fileno(), 0o644)  # the web server is another user
    os.replace(draft.name, path)


def send_link(report: Report) -> None:
    send_mail(
        subject=report.mail_subject,
        message=(
            f"Dear {report.campaign.customer},\n\n"
            f'the chart of your campaign "{report.campaign}" is here:\n'
            f"{settings.SITE_URL}{report.url}\n"
        ),
        from_email=None,
        recipient_list=[report.campaign.customer.email],
    )


def finish(report: Report, state: Report.State, error: str = "") -> None:
    report.state = state
    report.error = error
    report.finished_at = timezone.now()
    report.save(update_fields=["state", "error", "finished_at"])
