"""All URLs: accounts, Django's admin, everything else from the album."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path

# The admin's own form would let in without a second factor and without limits.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

admin.autodiscover()
# One after the other is tried: what is asked for most stands first.
urlpatterns = [
    path("", include("album.web.urls")),
    path("", include("album.api.urls")),
    path("", include("album.web.routes.sign_in")),
    path("admin/", admin.site.urls),
]
