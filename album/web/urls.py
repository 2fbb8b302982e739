"""The pages of the album: a list of addresses for each room."""

from album.web.routes import (
    account,
    ai_settings,
    albums,
    files,
    health,
    media,
    places,
    processing,
    pwa,
    search,
    sharing,
    statistics,
    timeline,
    trash,
    upload,
)

app_name = "album"
ROOMS = (
    *(timeline, media, files, trash, upload, albums, sharing, search, places),
    *(processing, ai_settings, statistics, account, pwa, health),
)
urlpatterns = [address for room in ROOMS for address in room.urlpatterns]
