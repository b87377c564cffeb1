"""Who works in Label Studio: the token's owner, and everybody in the organization."""

from dataclasses import dataclass

from selection.errors import StudioError
from selection.studio.transport import Caller


@dataclass(frozen=True)
class Person:
    """A user of Label Studio."""

    id: int
    email: str


class People(Caller):
    """The calls about users."""

    def me(self) -> Person:
        """Return the owner of the token: the cheapest check of URL and token."""
        user = self._read("who the token belongs to", self._sdk.users.whoami)
        if not user.id:
            raise StudioError(f"{self.url} does not answer like Label Studio; check the URL.")
        return Person(user.id, user.email or str(user.id))

    def people(self) -> dict[int, str]:
        """Return id -> e-mail of everybody in the organization."""
        users = self._read("the users", self._sdk.users.list)
        return {user.id: user.email for user in users if user.id and user.email}
