from django.contrib.admin.apps import AdminConfig


class AllerVersAdminConfig(AdminConfig):
    default_site = "config.admin_site.AllerVersAdminSite"

    def ready(self) -> None:
        super().ready()
        from config import checks  # noqa: F401 — registers them
