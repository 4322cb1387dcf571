from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("outreach.urls")),
    path("", admin.site.urls),
]
