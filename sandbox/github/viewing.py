"""Who looks at a page: whoever signed in there, otherwise the user who owns everything.

A browser is signed in by a cookie, a script says who it is with each click: in the header
`X-Sandbox-User` or in the field `as`.
"""

from flask import abort, request

from sandbox.github.routing import Services
from sandbox.github.world import User

COOKIE = "sandbox_user"
HEADER = "X-Sandbox-User"


def viewer(services: Services) -> User:
    """The user who clicks. A name that nobody has is a bad request."""
    login = request.headers.get(HEADER) or request.form.get("as") or request.cookies.get(COOKIE)
    if not login:
        return next(user for user in services.world.users.values() if user.type == "User")
    found = services.world.user(login)
    if found is None or found.type != "User":
        abort(400, f"There is no user {login} to sign in as.")
    return found
