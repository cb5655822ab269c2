"""The floor that the receiver is compared with: a Flask route that only checks the signature.

Both are served by the same gunicorn with the same settings.
"""

from flask import Flask, Response, request

from webhook.receiver import signed_body

app = Flask(__name__)


@app.post("/webhook/github")
def receive() -> Response:
    """Answer 202 to what GitHub has signed, and forget it."""
    signed_body(request)
    return Response("{}", status=202, mimetype="application/json")
