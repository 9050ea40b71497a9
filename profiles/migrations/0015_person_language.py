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
                choices=[("en", "English"), ("de", "Deutsch")],
                db_default="",
                default="",
                help_text="In which pages and mails are written; where empty, pages are in that of the browser.",
                max_length=8,
            ),
        ),
    ]
