"""Which webhooks an App gets: what it may subscribe to, with which permission, and what it gets
unasked.

Source: docs.github.com, "Webhook events and payloads", the availability of each event.
"""

from collections.abc import Mapping

# Nobody can subscribe to these: every App gets them.
ALWAYS = frozenset(
    {
        "github_app_authorization",
        "installation",
        "installation_repositories",
        "installation_target",
    }
)

# GitHub sends these to every App, or to every App that may write checks, subscribed or not.
UNASKED = ALWAYS | {
    "check_run.rerequested",
    "check_run.requested_action",
    "check_suite.requested",
    "check_suite.rerequested",
}

# These go only to the App whose check it is.
OWN_CHECKS = UNASKED - ALWAYS

# Event → the permission with which an App may subscribe to it.
PERMISSION_OF: Mapping[str, str] = {
    "check_run": "checks",
    "check_suite": "checks",
    "commit_comment": "contents",
    "create": "contents",
    "delete": "contents",
    "deployment": "deployments",
    "deployment_status": "deployments",
    "fork": "contents",
    "issue_comment": "issues",
    "issues": "issues",
    "label": "issues",
    "meta": "metadata",
    "milestone": "issues",
    "public": "metadata",
    "pull_request": "pull_requests",
    "pull_request_review": "pull_requests",
    "pull_request_review_comment": "pull_requests",
    "pull_request_review_thread": "pull_requests",
    "push": "contents",
    "release": "contents",
    "repository": "metadata",
    "repository_dispatch": "contents",
    "security_advisory": "metadata",
    "star": "metadata",
    "status": "statuses",
    "watch": "metadata",
    "workflow_dispatch": "actions",
    "workflow_job": "actions",
    "workflow_run": "actions",
}


def permitted(event: str, permissions: Mapping[str, str]) -> bool:
    """Whether an installation with these permissions gets the event.

    Comments on a pull request arrive with the permission for pull requests too.
    """
    needed = PERMISSION_OF.get(event, "metadata")
    if needed == "metadata":
        return True
    return needed in permissions or (event == "issue_comment" and "pull_requests" in permissions)
