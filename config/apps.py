from django.contrib.admin.apps import AdminConfig


class AllerVersAdminConfig(AdminConfig):
    default_site = "config.admin_site.AllerVersAdminSite"
