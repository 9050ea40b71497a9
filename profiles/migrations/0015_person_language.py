from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("profiles", "0014_unexpected_use"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="language",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="In which pages and mails are written; where empty, pages are in that of the browser.",
                max_length=8,
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="browser_language",
            field=models.CharField(
                db_default="en",
                default="en",
                editable=False,
                help_text="In which their browser asked for pages at the last sign-in: that of mails where none is chosen.",
                max_length=8,
            ),
        ),
    ]
