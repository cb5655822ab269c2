"""The end of the App manifest flow, and the App's webhook (docs.github.com/rest/apps)."""

from sandbox.github import bodies, render
from sandbox.github.errors import not_found
from sandbox.github.routing import Answer, Call, endpoint
from sandbox.github.webhooks import Hooks
from sandbox.github.world import Json


@endpoint("POST", "/app-manifests/{code}/conversions", audience="anyone")
def convert_manifest(call: Call) -> Answer:
    """Hand out the credentials of a new App: nobody has to sign in, the code is enough."""
    found = call.services.maker.convert(call.path["code"])
    if found is None:
        raise not_found()
    body = render.app(call.world, found.app) | {
        "client_secret": found.client_secret,
        "webhook_secret": found.webhook_secret,
        "pem": found.app.private_key,
    }
    return Answer(body, 201)


@endpoint("GET", "/app/hook/config", audience="app")
def get_hook_config(call: Call) -> Answer:
    """Where the App's webhooks go."""
    return Answer(_config(call.services.hooks.of(call.app)))


@endpoint("PATCH", "/app/hook/config", audience="app")
def update_hook_config(call: Call) -> Answer:
    """Send the App's webhooks elsewhere, or sign them with another secret."""
    bodies.check("hook-config", call.body)
    hooks = call.services.hooks.of(call.app)
    hooks.configure(url=call.body.get("url"), secret=call.body.get("secret"))
    return Answer(_config(hooks))


def _config(hooks: Hooks) -> Json:
    secret = {"secret": "********"} if hooks.signed else {}
    return {"content_type": "json", "insecure_ssl": "0", **secret, "url": hooks.url}
