"""The floor that the receiver is compared with: the same Flask, only checking the signature."""

from flask import Flask, Response, request

from webhook.receiver import signed_body

app = Flask(__name__)


@app.post("/webhook/github")
def receive() -> Response:
    """Answer 202 to what GitHub has signed, and forget it."""
    signed_body(request)
    return Response("{}", status=202, mimetype="application/json")
