from datetime import timedelta

from django.db import migrations, models

AGE = timedelta(days=180)


def archive_old_campaigns(apps, schema_editor):
    """Old is measured from the last day that has figures, so that the same data give the same result."""
    last_day = apps.get_model("campaigns", "DailyFigure").objects.aggregate(day=models.Max("day"))["day"]
    if last_day:
        campaigns = apps.get_model("campaigns", "Campaign").objects
        campaigns.filter(ends_on__lt=last_day - AGE).update(archived=True)


class Migration(migrations.Migration):
    """Campaigns that ended long ago leave the front page."""

    dependencies = [("campaigns", "0002_trade_and_outcome")]

    operations = [
        migrations.AddField("campaign", "archived", models.BooleanField(default=False)),
        migrations.AddIndex(
            "campaign",
            models.Index(fields=["archived", "-ends_on"], name="campaign_current"),
        ),
        migrations.RunPython(archive_old_campaigns, migrations.RunPython.noop),
    ]
