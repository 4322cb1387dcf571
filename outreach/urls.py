from django.urls import path

from outreach import webhooks

app_name = "outreach"
urlpatterns = [
    path("operateur/twilio/etat/<uuid:attempt_uuid>/", webhooks.twilio_status, name="twilio_status"),
    path("operateur/twilio/entrant/", webhooks.twilio_inbound, name="twilio_inbound"),
    path("stop/<str:token>/", webhooks.opt_out_page, name="opt_out"),
    path("sante/", webhooks.health, name="health"),
]
