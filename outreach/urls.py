from django.urls import path

from outreach import email_webhooks, webhooks

app_name = "outreach"
urlpatterns = [
    path("operateur/twilio/etat/<uuid:attempt_uuid>/", webhooks.twilio_status, name="twilio_status"),
    path("operateur/twilio/entrant/", webhooks.twilio_inbound, name="twilio_inbound"),
    path("operateur/ovh/accuse/", webhooks.ovh_status, name="ovh_status"),
    path("operateur/email/<str:provider>/", email_webhooks.email_events, name="email_events"),
    path("stop/<str:token>/", webhooks.opt_out_page, name="opt_out"),
    path("sante/", webhooks.health, name="health"),
]
