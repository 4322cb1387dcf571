from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A person of the Caf who works here. The mobile serves only to test a message on oneself."""

    mobile = models.CharField("mobile", max_length=20, blank=True)

    class Meta(AbstractUser.Meta):  # type: ignore[name-defined]
        verbose_name = "compte"
        verbose_name_plural = "comptes"

    def __str__(self) -> str:
        return self.get_full_name() or self.get_username()
