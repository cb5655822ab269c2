"""What the stand-in refuses, with the status codes, words and bodies that GitHub uses."""

from typing import Any

DOCUMENTATION = "https://docs.github.com/rest"


class GitHubError(Exception):
    """An answer other than success.

    Args:
        status: the HTTP status code.
        message: GitHub's words.
        errors: GitHub's list of details, for 422.
        headers: further response headers.
        documentation: GitHub's link to the rule.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        errors: list[dict[str, Any]] | None = None,
        headers: dict[str, str] | None = None,
        documentation: str = DOCUMENTATION,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors
        self.headers = headers or {}
        self.documentation = documentation
        self.url: str | None = None

    @property
    def body(self) -> dict[str, Any]:
        """The JSON that GitHub answers."""
        details = {} if self.errors is None else {"errors": self.errors}
        return {
            "message": self.message,
            **({} if self.url is None else {"url": self.url}),
            **details,
            "documentation_url": self.documentation,
            "status": str(self.status),
        }


def not_found() -> GitHubError:
    """404, also for what the caller may not know to exist."""
    return GitHubError(404, "Not Found")


def moved(url: str, *, permanently: bool) -> GitHubError:
    """301 or 307 to where a renamed or transferred repository is now.

    Source: docs.github.com, "Best practices for using the REST API", follow redirects.
    """
    words = "Moved Permanently" if permanently else "Temporary Redirect"
    refusal = GitHubError(301 if permanently else 307, words, headers={"Location": url})
    refusal.url = url
    refusal.documentation += "/guides/best-practices-for-using-the-rest-api#follow-redirects"
    return refusal


def archived() -> GitHubError:
    """403 for a change to an archived repository."""
    return GitHubError(403, "Repository was archived so is read-only.")


def bad_credentials() -> GitHubError:
    """401 for a token that is unknown, revoked or expired."""
    return GitHubError(401, "Bad credentials")


def requires_authentication() -> GitHubError:
    """401 for an anonymous caller."""
    return GitHubError(401, "Requires authentication")


def not_accessible(permission: str) -> GitHubError:
    """403 for an App without the permission, for instance `checks=write`."""
    return GitHubError(
        403,
        "Resource not accessible by integration",
        headers={"X-Accepted-GitHub-Permissions": permission},
    )


def invalid_request(*problems: str) -> GitHubError:
    """422 for a body that does not have the form that the operation asks for."""
    return GitHubError(422, "Invalid request.\n\n" + "\n".join(problems))


def validation_failed(resource: str, field: str, message: str) -> GitHubError:
    """422 for a body of the right form with a value that GitHub does not take."""
    return GitHubError(
        422,
        "Validation Failed",
        errors=[{"resource": resource, "code": "custom", "field": field, "message": message}],
    )


def no_commit(sha: str) -> GitHubError:
    """422 for a commit that the repository does not have."""
    return GitHubError(422, f"No commit found for SHA: {sha}")
