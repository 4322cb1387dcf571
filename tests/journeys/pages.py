"""Small page objects: what a person sees and presses, in her words."""

from dataclasses import dataclass

from playwright.sync_api import Locator, Page

from campaigns.models import User
from tests.pages import PASSWORD


@dataclass
class Visitor:
    """Somebody at the keyboard."""

    page: Page
    site: str

    def goes_to(self, path: str) -> "Visitor":
        self.page.goto(self.site + path)
        return self

    def signs_in(self, user: User) -> "Visitor":
        self.goes_to("/login/")
        self.page.get_by_label("Nom d’utilisateur").fill(user.username)
        self.page.get_by_label("Mot de passe").fill(PASSWORD)
        return self.presses("Connexion")

    def signs_out(self) -> "Visitor":
        return self.presses("Se déconnecter")

    def presses(self, name: str) -> "Visitor":
        self.page.get_by_role("button", name=name, exact=True).click()
        self.page.wait_for_load_state()
        return self

    def follows(self, name: str) -> "Visitor":
        self.page.get_by_role("link", name=name, exact=True).first.click()
        return self

    def fills(self, label: str, value: str) -> "Visitor":
        self.page.get_by_label(label).fill(value)
        return self

    def chooses(self, label: str, option: str) -> "Visitor":
        self.page.get_by_label(label).select_option(label=option)
        return self

    def sees(self, text: str) -> "Visitor":
        self.page.get_by_text(text).first.wait_for(timeout=20_000)
        return self

    @property
    def title(self) -> str:
        return self.page.locator("h1").inner_text()

    @property
    def focused(self) -> Locator:
        return self.page.locator(":focus")

    @property
    def overflow(self) -> int:
        """Pixels by which the page is wider than the window."""
        return self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
