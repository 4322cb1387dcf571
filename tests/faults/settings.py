"""The settings of tests, for real processes whose operator and site stand at addresses of their own."""

import os

from config.settings.test import *  # noqa: F403

TWILIO_API_URL = os.environ["OPERATOR_URL"]
PUBLIC_BASE_URL = os.environ.get("SITE_URL", "http://testserver")
