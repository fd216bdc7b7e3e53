from django.conf import settings
from django.db import models


class Customer(models.Model):
    name = models.CharField(max_length=100, unique=True)
    email = models.EmailField()
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]

    def __str__(self):
        return self.name


class Campaign(models.Model):
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="campaigns")
    name = models.CharField(max_length=120)
    trade = models.CharField(max_length=40, default="")
    starts_on = models.DateField()
    ends_on = models.DateField()
    daily_budget = models.DecimalField(max_digits=8, decimal_places=2)
    archived = models.BooleanField(default=False)

    class Meta:
        ordering = ["-ends_on", "name"]
        indexes = [models.Index(fields=["archived", "-ends_on"], name="campaign_current")]

    def __str__(self):
        return self.name


class Advert(models.Model):
    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="adverts")
    headline = models.CharField(max_length=80)
    body = models.CharField(max_length=200)

    def __str__(self):
        return self.headline


class DailyFigure(models.Model):
    """What one advert did on one day."""

    advert = models.ForeignKey(Advert, models.CASCADE, related_name="figures")
    day = models.DateField()
    impressions = models.PositiveIntegerField()
    clicks = models.PositiveIntegerField()
    cost = models.DecimalField(max_digits=10, decimal_places=2)

    class Meta:
        ordering = ["day"]
        constraints = [models.UniqueConstraint(fields=["advert", "day"], name="one_figure_a_day")]


class Report(models.Model):
    """A chart of a campaign, drawn by a worker."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        READY = "ready"
        FAILED = "failed"

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="reports")
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    error = models.TextField(default="")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]

    @property
    def path(self):
        return settings.REPORTS / f"{self.pk}.svg"

    @property
    def url(self):
        return f"{settings.STATIC_URL}reports/{self.pk}.svg"

    @property
    def mail_subject(self):
        return f"Report {self.pk} is ready"
