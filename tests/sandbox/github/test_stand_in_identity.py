"""Who may do what: JSON web tokens, installation tokens, personal tokens, nobody."""

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.github import GitHubStandIn
from tests.polling import eventually
from tests.sandbox.github.conftest import access_token
from tests.sandbox.github.visitors import Receiver, Tree, Visitor, app_jwt

FUTURE = "must be a numeric value representing the future time"


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ({"expires": 660}, "is too far in the future"),
        ({"expires": -1}, FUTURE),
        ({"issued": 30}, "must be an Integer representing the time that the assertion was issued"),
        ({"exp": "soon"}, FUTURE),
    ],
)
def test_a_jwt_with_wrong_times_is_refused(github: GitHubStandIn, times, words: str) -> None:
    answer = Visitor(github, app_jwt(github, **times))("GET", "/app")
    assert answer.status_code == 401
    assert words in answer.json()["message"]


def test_a_jwt_of_another_key_is_refused(github: GitHubStandIn) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    claims = jwt.decode(app_jwt(github), options={"verify_signature": False})
    for forged in (jwt.encode(claims, key, "RS256"), jwt.encode(claims, "x" * 32, "HS256")):
        answer = Visitor(github, forged)("GET", "/app")
        assert answer.status_code == 401
        assert answer.json()["message"] == "A JSON web token could not be decoded"


def test_a_jwt_of_an_unknown_app_is_not_found(github: GitHubStandIn) -> None:
    assert Visitor(github, app_jwt(github, iss="1"))("GET", "/app").status_code == 404


def test_a_jwt_may_name_the_client_id(github: GitHubStandIn) -> None:
    client_id = github.world.app.client_id
    assert Visitor(github, app_jwt(github, iss=client_id))("GET", "/app").status_code == 200


def test_the_clock_that_counts_is_githubs(github: GitHubStandIn) -> None:
    token = app_jwt(github)
    github.advance(3600)
    assert Visitor(github, token)("GET", "/app").status_code == 401


def test_an_access_token_expires_after_an_hour(
    github: GitHubStandIn, installed: Visitor, repository: str
) -> None:
    assert installed("GET", "/installation/repositories").json()["total_count"] == 1
    github.advance(3601)
    answer = installed("GET", "/installation/repositories")
    assert (answer.status_code, answer.json()["message"]) == (401, "Bad credentials")


def test_an_unknown_token_is_refused_even_for_public_things(
    github: GitHubStandIn, repository: str
) -> None:
    assert Visitor(github, None)("GET", f"/repos/{repository}").status_code == 200
    stranger = Visitor(github, "ghs_" + "0" * 36)
    assert stranger("GET", f"/repos/{repository}").status_code == 401


def test_a_token_reaches_only_the_repositories_it_was_asked_for(
    github: GitHubStandIn, person: Visitor, app: Visitor, install
) -> None:
    for name in ("one", "two", "three"):
        person("POST", "/user/repos", {"name": name, "private": True})
    number = install("octocat/one", "octocat/two")
    path = f"/app/installations/{number}/access_tokens"
    token = app("POST", path, {"repositories": ["one"]}).json()
    assert [one["name"] for one in token["repositories"]] == ["one"]
    visitor = Visitor(github, token["token"])
    found = {name: visitor("GET", f"/repos/octocat/{name}") for name in ("one", "two", "three")}
    assert {name: answer.status_code for name, answer in found.items()} == {
        "one": 200,
        "two": 404,
        "three": 404,
    }
    outside = app("POST", path, {"repositories": ["three"]})
    assert outside.status_code == 422
    assert "not accessible to the parent installation" in outside.json()["message"]
    greedy = app("POST", path, {"permissions": {"administration": "write"}})
    assert greedy.status_code == 422


def test_writing_to_a_repository_without_the_app_is_forbidden(
    github: GitHubStandIn, app: Visitor, person: Visitor, install, repository: str, tree: Tree
) -> None:
    person("POST", "/user/repos", {"name": "other"})
    visitor = Visitor(github, access_token(app, install("octocat/other")))
    sha = tree.commit(a="1")
    tree.push("main")
    answer = visitor("POST", f"/repos/{repository}/check-runs", {"name": "x", "head_sha": sha})
    assert answer.status_code == 403
    assert visitor("GET", f"/repos/{repository}").status_code == 200


def test_a_suspended_installation_can_do_nothing_and_hears_nothing(
    github: GitHubStandIn, app: Visitor, installed: Visitor, tree: Tree, receiver: Receiver
) -> None:
    number = app("GET", "/app/installations").json()[0]["id"]
    settings = f"{github.url}/settings/installations/{number}"
    requests.post(f"{settings}/suspend", timeout=30)
    answer = app("POST", f"/app/installations/{number}/access_tokens")
    assert (answer.status_code, answer.json()["message"]) == (
        403,
        "This installation has been suspended",
    )
    assert installed("GET", "/installation/repositories").status_code == 403
    tree.commit(a="1")
    tree.push("main")
    requests.post(f"{settings}/unsuspend", timeout=30)
    assert installed("GET", "/installation/repositories").status_code == 200
    eventually(github.hooks.idle)
    assert receiver.names() == [
        "installation.created",
        "installation.suspend",
        "installation.unsuspend",
    ]


def test_an_installation_grows_shrinks_and_ends(
    github: GitHubStandIn, person: Visitor, app: Visitor, installed: Visitor, receiver: Receiver
) -> None:
    number = app("GET", "/app/installations").json()[0]["id"]
    other = person("POST", "/user/repos", {"name": "other"}).json()["id"]
    path = f"/user/installations/{number}/repositories/{other}"
    assert person("PUT", path).status_code == 204
    assert app("GET", "/repos/octocat/other/installation").json()["id"] == number
    assert person("DELETE", path).status_code == 204
    assert app("GET", "/repos/octocat/other/installation").status_code == 404
    requests.post(f"{github.url}/settings/installations/{number}/uninstall", timeout=30)
    assert app("GET", f"/app/installations/{number}").status_code == 404
    assert installed("GET", "/installation/repositories").status_code == 401
    eventually(github.hooks.idle)
    assert receiver.names()[1:] == [
        "installation_repositories.added",
        "installation_repositories.removed",
        "installation.deleted",
    ]


def test_an_installation_on_everything_takes_in_new_repositories(
    github: GitHubStandIn, person: Visitor, receiver: Receiver, install
) -> None:
    install()
    person("POST", "/user/repos", {"name": "later"})
    eventually(github.hooks.idle)
    (event,) = receiver.payloads("installation_repositories.added")
    assert [one["full_name"] for one in event["repositories_added"]] == ["octocat/later"]
    assert "repository.created" in receiver.names()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/user", 401),
        ("POST", "/user/repos", 401),
        ("GET", "/app", 401),
        ("POST", "/repos/octocat/weather/check-runs", 401),
        ("GET", "/repos/octocat/nothing", 404),
        ("GET", "/repos/octocat/weather/no/such/thing", 404),
    ],
)
def test_nobody_may_do_little(
    github: GitHubStandIn, repository: str, method: str, path: str, status: int
) -> None:
    answer = Visitor(github, None)(method, path)
    assert answer.status_code == status
    assert set(answer.json()) == {"message", "documentation_url", "status"}


def test_a_request_without_a_user_agent_is_forbidden(github: GitHubStandIn) -> None:
    answer = requests.get(f"{github.url}/users/octocat", headers={"User-Agent": ""}, timeout=30)
    assert answer.status_code == 403
    assert "User-Agent header" in answer.text


@pytest.mark.parametrize(
    ("body", "message"),
    [(b"{", "Problems parsing JSON"), (b"[]", "Body should be a JSON object")],
)
def test_a_body_that_is_no_object_is_a_bad_request(
    github: GitHubStandIn, person: Visitor, body: bytes, message: str
) -> None:
    answer = person("POST", "/user/repos", data=body)
    assert (answer.status_code, answer.json()["message"]) == (400, message)


def test_a_revoked_token_is_dead(installed: Visitor) -> None:
    assert installed("DELETE", "/installation/token").status_code == 204
    assert installed("GET", "/installation/repositories").status_code == 401
