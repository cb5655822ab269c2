"""The form of request bodies about pull requests, comments, collaborators and files."""

from sandbox.github.render_issues import REACTIONS
from sandbox.github.world import Json

_TEXT = {"type": "string"}
_NULLABLE_TEXT = {"type": ["string", "null"]}
_BOOLEAN = {"type": "boolean"}
_PERSON = {
    "type": "object",
    "required": ["name", "email"],
    "properties": {"name": _TEXT, "email": _TEXT, "date": _TEXT},
}
_CHANGE_OF_FILE: Json = {
    "message": _TEXT,
    "sha": _TEXT,
    "branch": _TEXT,
    "committer": _PERSON,
    "author": _PERSON,
}


def _object(*required: str, **properties: Json) -> Json:
    return {"type": "object", "required": list(required), "properties": properties}


SCHEMAS: dict[str, Json] = {
    "pull": _object(
        *("head", "base"),
        title=_TEXT,
        head=_TEXT,
        head_repo=_TEXT,
        base=_TEXT,
        body=_NULLABLE_TEXT,
        draft=_BOOLEAN,
        maintainer_can_modify=_BOOLEAN,
    ),
    "pull-update": _object(
        title=_TEXT,
        body=_NULLABLE_TEXT,
        state={"enum": ["open", "closed"]},
        base=_TEXT,
        maintainer_can_modify=_BOOLEAN,
    ),
    "merge": _object(
        commit_title=_TEXT,
        commit_message=_TEXT,
        sha=_TEXT,
        merge_method={"enum": ["merge", "squash", "rebase"]},
    ),
    "issue": _object("title", title={"type": ["string", "integer"]}, body=_NULLABLE_TEXT),
    "comment": _object("body", body=_TEXT),
    "reaction": _object("content", content={"enum": list(REACTIONS)}),
    "fork": _object(organization=_TEXT, name=_TEXT, default_branch_only=_BOOLEAN),
    "collaborator": _object(permission=_TEXT),
    "file": _object(*("message", "content"), content=_TEXT, **_CHANGE_OF_FILE),
    "file-removal": _object(*("message", "sha"), **_CHANGE_OF_FILE),
    "ref": _object(*("ref", "sha"), ref=_TEXT, sha=_TEXT),
    "ref-update": _object("sha", sha=_TEXT, force=_BOOLEAN),
}
