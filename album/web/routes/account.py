"""The own account, and how people get one."""

from django.urls import path

from album.web.views.account import account, add_key, drop_key, preferences, profile
from album.web.views.invitations import invitations, join, password_link, withdraw

urlpatterns = [
    path("account/", account, name="account"),
    path("account/profile/", profile, name="profile"),
    path("account/preferences/", preferences, name="preferences"),
    path("account/keys/", add_key, name="add_key"),
    path("account/keys/<int:pk>/revoke/", drop_key, name="drop_key"),
    path("account/invitations/", invitations, name="invitations"),
    path("account/invitations/<int:pk>/withdraw/", withdraw, name="withdraw_invitation"),
    path("account/invitations/password-link/", password_link, name="password_link"),
    path("join/<str:token>/", join, name="join"),
]
