"""The App's webhook deliveries and their redelivery (docs.github.com/rest/apps/webhooks)."""

from sandbox.github.clock import stamp
from sandbox.github.errors import GitHubError, not_found
from sandbox.github.routing import Answer, Call, endpoint
from sandbox.github.webhooks import Delivery
from sandbox.github.world import Json


@endpoint("GET", "/app/hook/deliveries", audience="app")
def list_deliveries(call: Call) -> Answer:
    """Attempts, newest first, by an opaque cursor."""
    found = call.services.hooks.of(call.app).deliveries()
    wanted = call.query.get("status")
    if wanted:
        found = [one for one in found if one.succeeded == (wanted == "success")]
    size = call.query.get("per_page", "")
    count = max(1, min(100, int(size) if size.isdigit() else 30))
    cursor = call.query.get("cursor")
    if cursor:
        found = [one for one in found if one.id < _position(cursor)]
    page, rest = found[:count], found[count:]
    headers = {}
    if rest:
        target = call.with_query(cursor=f"v1_{page[-1].id}")
        headers["Link"] = f'<{target}>; rel="next"'
    return Answer([_item(one) for one in page], headers=headers)


def _position(cursor: str) -> int:
    version, _, number = cursor.partition("_")
    if version != "v1" or not number.isdigit():
        raise GitHubError(422, "Invalid cursor")
    return int(number)


@endpoint("GET", "/app/hook/deliveries/{delivery_id}", audience="app")
def get_delivery(call: Call) -> Answer:
    """One attempt with its request and response."""
    delivery = _delivery(call)
    body = _item(delivery) | {
        "url": call.services.hooks.of(call.app).url,
        "request": {"headers": delivery.request_headers, "payload": delivery.payload},
        "response": {"headers": delivery.response_headers, "payload": delivery.response_body},
    }
    return Answer(body)


@endpoint("POST", "/app/hook/deliveries/{delivery_id}/attempts", audience="app")
def redeliver(call: Call) -> Answer:
    """Send it once more, with the same GUID."""
    call.services.hooks.of(call.app).redeliver(_delivery(call))
    return Answer({}, 202)


def _delivery(call: Call) -> Delivery:
    for delivery in call.services.hooks.of(call.app).deliveries():
        if delivery.id == call.path["delivery_id"]:
            return delivery
    raise not_found()


def _item(delivery: Delivery) -> Json:
    return {
        "id": delivery.id,
        "guid": delivery.guid,
        "delivered_at": stamp(delivery.delivered_at),
        "redelivery": delivery.redelivery,
        "duration": delivery.duration,
        "status": delivery.status,
        "status_code": delivery.status_code,
        "event": delivery.event,
        "action": delivery.action,
        "installation_id": delivery.installation_id,
        "repository_id": delivery.repository_id,
        "throttled_at": None,
    }
