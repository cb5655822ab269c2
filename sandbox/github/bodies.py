"""Checks the form of request bodies and says what is wrong in the words that GitHub uses.

The words were seen in GitHub's answers to others, for instance github/docs#35252,
AdWerx/pronto-ruby#49 and flutter/cocoon#5130.
"""

import json
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from sandbox.github import bodies_pulls
from sandbox.github.errors import invalid_request
from sandbox.github.world import Json

_TEXT = {"type": "string"}
_NULLABLE_TEXT = {"type": ["string", "null"]}
_BOOLEAN = {"type": "boolean"}
_CONCLUSIONS = [
    "success",
    "failure",
    "neutral",
    "cancelled",
    "skipped",
    "timed_out",
    "action_required",
]
_DEPLOYMENT_STATES = [
    "error",
    "failure",
    "inactive",
    "in_progress",
    "queued",
    "pending",
    "success",
]
_ANNOTATION = {
    "type": "object",
    "required": ["path", "start_line", "end_line", "annotation_level", "message"],
    "properties": {
        "path": _TEXT,
        "start_line": {"type": "integer"},
        "end_line": {"type": "integer"},
        "start_column": {"type": "integer"},
        "end_column": {"type": "integer"},
        "annotation_level": {"enum": ["notice", "warning", "failure"]},
        "message": _TEXT,
        "title": {"type": "string", "maxLength": 255},
        "raw_details": _TEXT,
    },
}
_ACTION = {
    "type": "object",
    "required": ["label", "description", "identifier"],
    "properties": {
        "label": {"type": "string", "maxLength": 20},
        "description": {"type": "string", "maxLength": 40},
        "identifier": {"type": "string", "maxLength": 20},
    },
}


def _output(*required: str) -> Json:
    return {
        "type": "object",
        "required": list(required),
        "properties": {
            "title": _TEXT,
            "summary": {"type": "string", "maxLength": 65535},
            "text": {"type": "string", "maxLength": 65535},
            "annotations": {"type": "array", "maxItems": 50, "items": _ANNOTATION},
        },
    }


_CHECK_RUN = {
    "name": _TEXT,
    "head_sha": _TEXT,
    "details_url": _TEXT,
    "external_id": _TEXT,
    "status": {"enum": ["queued", "in_progress", "completed"]},
    "conclusion": {"enum": _CONCLUSIONS},
    "started_at": _TEXT,
    "completed_at": _TEXT,
    "actions": {"type": "array", "maxItems": 3, "items": _ACTION},
}
SCHEMAS: dict[str, Json] = {
    "deployment": {
        "type": "object",
        "required": ["ref"],
        "properties": {
            "ref": _TEXT,
            "task": _TEXT,
            "auto_merge": _BOOLEAN,
            "required_contexts": {"type": ["array", "null"], "items": _TEXT},
            "payload": {"type": ["object", "string"]},
            "environment": {"type": "string", "maxLength": 255},
            "description": _NULLABLE_TEXT,
            "transient_environment": _BOOLEAN,
            "production_environment": _BOOLEAN,
        },
    },
    "deployment-status": {
        "type": "object",
        "required": ["state"],
        "properties": {
            "state": {"enum": _DEPLOYMENT_STATES},
            "target_url": _TEXT,
            "log_url": _TEXT,
            "description": _TEXT,
            "environment": {"type": "string", "maxLength": 255},
            "environment_url": _TEXT,
            "auto_inactive": _BOOLEAN,
        },
    },
    "check-run": {
        "type": "object",
        "required": ["name", "head_sha"],
        "properties": {**_CHECK_RUN, "output": _output("title", "summary")},
    },
    "check-run-update": {
        "type": "object",
        "properties": {**_CHECK_RUN, "output": _output("summary")},
    },
    "status": {
        "type": "object",
        "required": ["state"],
        "properties": {
            "state": {"enum": ["error", "failure", "pending", "success"]},
            "target_url": _NULLABLE_TEXT,
            "description": _NULLABLE_TEXT,
            "context": _TEXT,
        },
    },
    "release": {
        "type": "object",
        "required": ["tag_name"],
        "properties": {
            "tag_name": _TEXT,
            "target_commitish": _TEXT,
            "name": _TEXT,
            "body": _TEXT,
            "draft": _BOOLEAN,
            "prerelease": _BOOLEAN,
        },
    },
    "release-update": {
        "type": "object",
        "properties": {
            **dict.fromkeys(("tag_name", "target_commitish", "name", "body"), _TEXT),
            "draft": _BOOLEAN,
            "prerelease": _BOOLEAN,
        },
    },
    "repository": {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": _TEXT,
            "description": _TEXT,
            "private": _BOOLEAN,
            "auto_init": _BOOLEAN,
        },
    },
    "repository-update": {
        "type": "object",
        "properties": {
            "name": _TEXT,
            "description": _NULLABLE_TEXT,
            "private": _BOOLEAN,
            "visibility": {"enum": ["public", "private"]},
            "default_branch": _TEXT,
            "archived": _BOOLEAN,
        },
    },
    "transfer": {
        "type": "object",
        "required": ["new_owner"],
        "properties": {"new_owner": _TEXT, "new_name": _TEXT},
    },
    "hook-config": {
        "type": "object",
        "properties": {
            "url": _TEXT,
            "content_type": _TEXT,
            "secret": _TEXT,
            "insecure_ssl": {"type": ["string", "number"]},
        },
    },
    "access-token": {
        "type": "object",
        "properties": {
            "repositories": {"type": "array", "items": _TEXT},
            "repository_ids": {"type": "array", "items": {"type": "integer"}},
            "permissions": {
                "type": "object",
                "additionalProperties": {"enum": ["read", "write", "admin"]},
            },
        },
    },
}
_VALIDATORS = {
    name: Draft202012Validator(schema) for name, schema in (SCHEMAS | bodies_pulls.SCHEMAS).items()
}


def check(name: str, body: Json) -> None:
    """Check a request body against the schema of that name.

    Raises:
        GitHubError: 422 with one line for each problem.
    """
    problems = sorted(_VALIDATORS[name].iter_errors(body), key=lambda problem: problem.json_path)
    if problems:
        raise invalid_request(*(_words(problem) for problem in problems))


def _words(problem: ValidationError) -> str:
    value: Any = problem.instance
    limit: Any = problem.validator_value
    match problem.validator:
        case "required":
            missing = next(name for name in limit if name not in value)
            return f'"{missing}" wasn\'t supplied.'
        case "maxLength":
            return f"Only {limit} characters are allowed; {len(value)} were supplied."
        case "maxItems":
            return f"No more than {limit} items are allowed; {len(value)} were supplied."
        case "enum":
            return f"{_ruby(value)} is not a member of {json.dumps(limit)}."
        case _:
            where = "/".join(str(part) for part in problem.absolute_path)
            kind = limit if isinstance(limit, str) else limit[0]
            article = "an" if kind[0] in "aeiou" else "a"
            return f"For 'properties/{where}', {_ruby(value)} is not {article} {kind}."


def _ruby(value: Any) -> str:
    return "nil" if value is None else str(value)
