from django.db import migrations, models


class Migration(migrations.Migration):
    """Campaigns get a trade, and reports say how they ended."""

    dependencies = [("campaigns", "0001_initial")]

    operations = [
        migrations.AddField("campaign", "trade", models.CharField(default="", max_length=40)),
        migrations.AddField("report", "error", models.TextField(default="")),
        migrations.AddField("report", "finished_at", models.DateTimeField(null=True)),
    ]
