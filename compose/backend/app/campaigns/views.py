from django.core.paginator import Paginator
from django.db.models import Sum
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from campaigns import orders, tasks
from campaigns.models import Campaign, Report


@require_safe
def campaigns(request):
    archived = "archived" in request.GET
    chosen = (
        Campaign.objects.filter(archived=archived)
        .select_related("customer")
        .annotate(
            impressions=Sum("adverts__figures__impressions"),
            clicks=Sum("adverts__figures__clicks"),
            cost=Sum("adverts__figures__cost"),
        )
        .order_by(*Campaign._meta.ordering)  # a grouped query does not keep it by itself
    )
    return render(
        request,
        "campaigns/index.html",
        {
            "archived": archived,
            "page": Paginator(chosen, 10).get_page(request.GET.get("page")),
            "reports": Report.objects.select_related("campaign")[:8],
            "busy": Report.objects.filter(state__in=["queued", "running"]).exists(),
        },
    )


@require_POST
def order_report(request, campaign_id):
    orders.order_report(get_object_or_404(Campaign, pk=campaign_id))
    return redirect("campaigns")


@require_safe
def report_file(request, report_id):
    """Asked for by Nginx where the file is not in this pod's folder: a worker, or another pod, drew it in its own."""
    report = get_object_or_404(Report, pk=report_id, state=Report.State.READY)
    chart = tasks.chart_of(report)
    tasks.publish(report.path, chart)
    return HttpResponse(chart, content_type="image/svg+xml")
