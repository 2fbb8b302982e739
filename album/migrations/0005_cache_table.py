from django.core.management import call_command
from django.db import migrations


def make_table(apps, schema_editor):
    """Makes the table of Django's database cache, where limits of attempts live; nothing where it is there."""
    call_command("createcachetable", "album_cache", database=schema_editor.connection.alias, verbosity=0)


class Migration(migrations.Migration):

    dependencies = [
        ('album', '0004_search'),
    ]

    operations = [
        migrations.RunPython(make_table, migrations.RunPython.noop),
    ]
