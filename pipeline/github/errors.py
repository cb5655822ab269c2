"""What can go wrong when Sigil speaks to GitHub, sorted by what a caller should do about it."""

from datetime import datetime

REFUSED = "GitHub refuses "
"""How the `report_error` of a run begins of which GitHub will have only a part."""


class GitHubError(Exception):
    """GitHub did not do what it was asked. The text holds GitHub's own words, never a token."""


class GitHubAway(GitHubError):
    """GitHub could not answer now: a time-out, a 5xx, a rate limit, a token it does not know yet.

    Attributes:
        retry_at: Not before this moment, when GitHub said so.
    """

    def __init__(self, message: str, retry_at: datetime | None = None) -> None:
        super().__init__(message)
        self.retry_at = retry_at


class GitHubHeld(GitHubAway):
    """A limit of GitHub's is (nearly) used up, so the request was not sent, or GitHub sent it back.

    Nothing is wrong: who gets this comes back at `retry_at`, and does not count it as an attempt.

    Attributes:
        retry_at: When there is room again; each one who waits gets a moment of its own.
    """

    retry_at: datetime

    def __init__(self, message: str, retry_at: datetime) -> None:
        super().__init__(message, retry_at)


class GitHubRefused(GitHubError):
    """GitHub understood and said no.

    Attributes:
        status: The HTTP status.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status
