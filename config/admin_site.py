"""The one admin site: title, French words, navigation by task."""

from django.contrib.admin import AdminSite


class AllerVersAdminSite(AdminSite):
    site_header = "Aller-vers"
    site_title = "Aller-vers"
    index_title = "Aujourd’hui"
    enable_nav_sidebar = False
