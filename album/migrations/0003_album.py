import uuid

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import album.models.media


def fill_timeline(apps, schema_editor):
    """Sets the new column of the rows that are there."""
    MediaItem = apps.get_model("album", "MediaItem")
    rows = MediaItem.objects.only("taken_at_local", "taken_at", "file_modified_at", "created_at").order_by("pk")
    chunk = []
    for item in rows.iterator(chunk_size=1000):
        came_in_at = item.file_modified_at or item.created_at
        item.timeline_at = album.models.media.timeline_at_of(item.taken_at_local, item.taken_at, came_in_at)
        chunk.append(item)
        if len(chunk) == 1000:
            MediaItem.objects.bulk_update(chunk, ["timeline_at"])
            chunk = []
    MediaItem.objects.bulk_update(chunk, ["timeline_at"])


class Migration(migrations.Migration):

    dependencies = [
        ('album', '0002_ingest'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(  # the table is there: it was made for the field ``albums``
            state_operations=[
                migrations.CreateModel(
                    name='AlbumItem',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('album', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to='album.album')),
                        ('mediaitem', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to='album.mediaitem')),
                    ],
                    options={'db_table': 'album_mediaitem_albums', 'unique_together': {('mediaitem', 'album')}},
                ),
                migrations.AlterField(
                    model_name='mediaitem',
                    name='albums',
                    field=models.ManyToManyField(blank=True, related_name='items', through='album.AlbumItem', to='album.album'),
                ),
            ],
        ),
        migrations.AddField(
            model_name='albumitem',
            name='position',
            field=models.PositiveIntegerField(default=0, help_text='Where the album is ordered by hand'),
        ),
        migrations.AddField(
            model_name='albumitem',
            name='added_at',
            field=models.DateTimeField(auto_now_add=True, default=django.utils.timezone.now),
            preserve_default=False,
        ),
        migrations.CreateModel(
            name='ApiKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=80)),
                ('prefix', models.CharField(max_length=12)),
                ('key_sha256', models.CharField(max_length=64, unique=True)),
                ('scopes', models.JSONField(default=list)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('expires_at', models.DateTimeField(blank=True, null=True)),
                ('last_used_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ('-created_at', '-id'),
            },
        ),
        migrations.CreateModel(
            name='Favourite',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
        ),
        migrations.CreateModel(
            name='GrantEpoch',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('scope', models.CharField(max_length=40, unique=True)),
                ('epoch', models.PositiveIntegerField(default=0)),
                ('changed_at', models.DateTimeField(auto_now=True, db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name='Invitation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('token_sha256', models.CharField(max_length=64, unique=True)),
                ('email', models.EmailField(blank=True, max_length=254)),
                ('is_admin', models.BooleanField(default=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('expires_at', models.DateTimeField()),
                ('used_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ('-created_at', '-id'),
            },
        ),
        migrations.CreateModel(
            name='ItemPerson',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('source', models.CharField(choices=[('person', 'Person'), ('file', 'File'), ('removed', 'Removed')], default='person', max_length=7)),
            ],
        ),
        migrations.CreateModel(
            name='PartialUpload',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=255)),
                ('size_bytes', models.BigIntegerField()),
                ('modified_at', models.DateTimeField(blank=True, null=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('expires_at', models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name='Person',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=120)),
            ],
            options={
                'ordering': ('name', 'id'),
            },
        ),
        migrations.CreateModel(
            name='Preferences',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('language', models.CharField(blank=True, max_length=8)),
                ('time_zone', models.CharField(blank=True, max_length=48)),
                ('theme', models.CharField(choices=[('system', 'As the device'), ('light', 'Light'), ('dark', 'Dark')], default='system', max_length=6)),
            ],
        ),
        migrations.CreateModel(
            name='ShareLink',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('label', models.CharField(blank=True, max_length=120)),
                ('token_sha256', models.CharField(max_length=64, unique=True)),
                ('password', models.CharField(blank=True, help_text='Hashed; empty: none is asked for', max_length=128)),
                ('may_download', models.BooleanField(default=False)),
                ('shows_location', models.BooleanField(default=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('expires_at', models.DateTimeField(blank=True, null=True)),
                ('revoked_at', models.DateTimeField(blank=True, null=True)),
                ('last_used_at', models.DateTimeField(blank=True, null=True)),
                ('visits', models.PositiveIntegerField(default=0)),
            ],
            options={
                'ordering': ('-created_at', '-id'),
            },
        ),
        migrations.CreateModel(
            name='WeightsDownload',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=120, unique=True)),
                ('state', models.CharField(choices=[('pending', 'Pending'), ('processing', 'Processing'), ('completed', 'Completed'), ('failed', 'Failed')], default='pending', max_length=10)),
                ('done_bytes', models.BigIntegerField(default=0)),
                ('total_bytes', models.BigIntegerField(blank=True, null=True)),
                ('error', models.TextField(blank=True)),
                ('is_stop_requested', models.BooleanField(default=False)),
                ('requested_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
        ),
        migrations.RemoveIndex(
            model_name='mediaitem',
            name='item_timeline',
        ),
        migrations.AddField(
            model_name='album',
            name='cover',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='album.mediaitem'),
        ),
        migrations.AddField(
            model_name='album',
            name='description',
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name='album',
            name='editors',
            field=models.ManyToManyField(blank=True, related_name='fillable_albums', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='album',
            name='order',
            field=models.CharField(choices=[('newest', 'Newest first'), ('oldest', 'Oldest first'), ('by hand', 'By hand')], default='newest', max_length=7),
        ),
        migrations.AddField(
            model_name='album',
            name='parent',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='children', to='album.album'),
        ),
        migrations.AddField(
            model_name='album',
            name='position',
            field=models.PositiveIntegerField(default=0, help_text='Among the albums of one parent'),
        ),
        migrations.AddField(
            model_name='album',
            name='rule',
            field=models.JSONField(blank=True, help_text='Of an automatic album: what its items have in common', null=True),
        ),
        migrations.AddField(
            model_name='mediaitem',
            name='archived_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='mediaitem',
            name='edited_fields',
            field=models.JSONField(blank=True, default=list, help_text='What people wrote: no file and no batch changes it'),
        ),
        migrations.AddField(
            model_name='mediaitem',
            name='stated_words',
            field=models.JSONField(blank=True, default=dict, help_text='Title and description as the file stated them when they were taken over'),
        ),
        migrations.AddField(
            model_name='mediaitem',
            name='timeline_at',
            field=models.DateTimeField(default=album.models.media.wall_clock_now, help_text='The clock where it was taken, as if it were UTC: timelines sort by it'),
        ),
        migrations.AlterField(
            model_name='itemtag',
            name='source',
            field=models.CharField(choices=[('person', 'Person'), ('removed', 'Removed'), ('file', 'File'), ('caption', 'Caption'), ('zero-shot', 'Zero Shot'), ('detector', 'Detector'), ('classifier', 'Classifier'), ('built-in', 'Built In')], max_length=12),
        ),
        migrations.AddField(
            model_name='apikey',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='api_keys', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='favourite',
            name='item',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='favourites', to='album.mediaitem'),
        ),
        migrations.AddField(
            model_name='favourite',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='favourites', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='invitation',
            name='invited_by',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='invitations', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='invitation',
            name='used_by',
            field=models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='invitation', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='itemperson',
            name='item',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='item_people', to='album.mediaitem'),
        ),
        migrations.AddField(
            model_name='partialupload',
            name='album',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='album.album'),
        ),
        migrations.AddField(
            model_name='partialupload',
            name='owner',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='partial_uploads', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='person',
            name='cover',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='album.mediaitem'),
        ),
        migrations.AddField(
            model_name='person',
            name='items',
            field=models.ManyToManyField(related_name='people', through='album.ItemPerson', to='album.mediaitem'),
        ),
        migrations.AddField(
            model_name='person',
            name='owner',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='people', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='itemperson',
            name='person',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='item_people', to='album.person'),
        ),
        migrations.AddField(
            model_name='preferences',
            name='user',
            field=models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='preferences', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='sharelink',
            name='album',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='share_links', to='album.album'),
        ),
        migrations.AddField(
            model_name='sharelink',
            name='created_by',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='share_links', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='sharelink',
            name='items',
            field=models.ManyToManyField(blank=True, related_name='share_links', to='album.mediaitem'),
        ),
        migrations.AddConstraint(
            model_name='favourite',
            constraint=models.UniqueConstraint(fields=('user', 'item'), name='one_favourite_per_user'),
        ),
        migrations.AddConstraint(
            model_name='person',
            constraint=models.UniqueConstraint(fields=('owner', 'name'), name='one_person_per_name'),
        ),
        migrations.AddConstraint(
            model_name='itemperson',
            constraint=models.UniqueConstraint(fields=('item', 'person'), name='one_person_per_item'),
        ),
        migrations.AddField(
            model_name='mediaitem',
            name='shelf',
            field=models.GeneratedField(db_persist=True, expression=models.Case(models.When(models.Q(('trashed_at__isnull', False)), then=models.Value(3)), models.When(models.Q(('clip_of__isnull', False)), then=models.Value(2)), models.When(models.Q(('archived_at__isnull', False)), then=models.Value(1)), default=models.Value(0)), output_field=models.PositiveSmallIntegerField(choices=[(0, 'Timeline'), (1, 'Archive'), (2, 'Clip'), (3, 'Trash')])),
        ),
        migrations.AddIndex(
            model_name='mediaitem',
            index=models.Index(fields=['owner', 'shelf', '-timeline_at', '-id'], name='item_timeline'),
        ),
        migrations.AddIndex(
            model_name='mediaitem',
            index=models.Index(fields=['shelf', '-timeline_at', '-id'], name='item_shelf'),
        ),
        migrations.RunPython(fill_timeline, migrations.RunPython.noop),
    ]
