"""What people copy to use a server. Knows the form of MCP clients' configurations, no page."""

import json


def client_snippet(package: str, url: str) -> str:
    """What goes into the configuration of an MCP client to use the server at `url`.

    Args:
        package: The listed name, `<namespace>.<owner>/<name>`; the part after the slash is what
            the client shows.
    """
    name = package.rsplit("/", 1)[-1]
    return json.dumps({"mcpServers": {name: {"type": "http", "url": url}}}, indent=2)
