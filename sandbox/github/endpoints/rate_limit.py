"""The rate limits (docs.github.com/rest/rate-limit). Asking for them costs nothing."""

from sandbox.github.routing import Answer, Call, endpoint
from sandbox.github.world import Json


@endpoint("GET", "/rate_limit", audience="anyone", free=True)
def get_rate_limit(call: Call) -> Answer:
    """What is left of the caller's hour."""
    counted = call.services.limits.headers(call.caller.budget, anonymous=call.caller.anonymous)
    names = ("limit", "used", "remaining", "reset")
    core: Json = {name: int(counted[f"x-ratelimit-{name}"]) for name in names}
    search = {"limit": 30, "used": 0, "remaining": 30, "reset": core["reset"]}
    return Answer({"resources": {"core": core, "search": search}, "rate": core})
