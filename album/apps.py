from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


class AlbumConfig(AppConfig):
    name = "album"
    verbose_name = "Photo Album"

    def ready(self) -> None:
        from album.search import index  # here, because it may name rows only from now on

        pre_migrate.connect(index.take_down, sender=self)
        post_migrate.connect(index.put_up, sender=self)
