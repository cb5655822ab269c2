"""Who there is at the stand-in: people, organizations and bots, and the Apps."""

from dataclasses import dataclass, field


@dataclass
class User:
    """An account. An App's own account is one too, with the type `Bot`, and an organization is
    one; `owners` are the ids of the users who may do everything to an organization.
    """

    id: int
    login: str
    name: str
    email: str
    created_at: str
    type: str = "User"
    owners: set[int] = field(default_factory=set)


@dataclass
class App:
    """A GitHub App. `private_key` is PEM text; the client signs with it, we check."""

    id: int
    slug: str
    name: str
    client_id: str
    owner: User
    bot: User
    private_key: str
    hook_id: int
    permissions: dict[str, str]
    events: list[str]
    created_at: str
    external_url: str = ""
    description: str = ""
    setup_url: str = ""
    setup_on_update: bool = False
    # Whether accounts other than its owner may install it.
    public: bool = True
