"""Check runs and check suites (docs.github.com/rest/checks)."""

from sandbox.github import bodies, render, render_reports
from sandbox.github.clock import normalised
from sandbox.github.errors import (
    GitHubError,
    invalid_request,
    no_commit,
    not_found,
    validation_failed,
)
from sandbox.github.git import UnknownObject
from sandbox.github.reports import (
    age,
    latest,
    rerequest,
    rerequest_suite,
    runs_of,
    suite_for,
    sum_up,
    thin_out,
)
from sandbox.github.routing import Answer, Call, endpoint
from sandbox.github.world import App, CheckRun, CheckSuite, Json

OUTPUT_BYTES = 65_535
ANNOTATION_BYTES = 64 * 1024
_ALL = "/repos/{owner}/{repo}/check-runs"
_ONE = _ALL + "/{check_run_id}"
_SUITE = "/repos/{owner}/{repo}/check-suites/{check_suite_id}"


@endpoint("POST", _ALL, permission="checks:write", content=True)
def create_check_run(call: Call) -> Answer:
    """A new check run of a commit."""
    app = _calling_app(call)
    bodies.check("check-run", call.body)
    _check_rules(call.body)
    repository, now = call.repository, call.world.clock.stamp()
    suite = suite_for(call.world, repository, app, _commit(call, call.body["head_sha"]))
    run = CheckRun(
        id=call.world.new_id("check_run"),
        suite=suite,
        name=call.body["name"],
        head_sha=suite.head_sha,
        external_id="",
        details_url=f"{call.world.url}/apps/{app.slug}",
        status="queued",
        conclusion=None,
        started_at=now,
        completed_at=None,
        created_epoch=call.world.clock.now(),
    )
    with call.world.lock:
        repository.check_runs[run.id] = run
        _apply(call, run)
        thin_out(repository, suite, run.name)
    call.events.check_run("created", repository, call.caller.account, run)
    _after_change(call, run, was_completed=False)
    return Answer(render_reports.check_run(call.world, repository, run), 201)


@endpoint("PATCH", _ONE, permission="checks:write")
def update_check_run(call: Call) -> Answer:
    """Change a check run. Annotations are added to those that are there."""
    app, run = _calling_app(call), _run(call)
    if run.suite.app is not app:
        words = "check run can only be modified by the GitHub App that created it."
        raise GitHubError(403, f"Invalid app_id `{app.id}` - {words}")
    bodies.check("check-run-update", call.body)
    _check_rules(call.body)
    was_completed = run.status == "completed"
    with call.world.lock:
        _apply(call, run)
    _after_change(call, run, was_completed=was_completed)
    return Answer(render_reports.check_run(call.world, call.repository, run))


@endpoint("GET", _ONE, permission="checks:read")
def get_check_run(call: Call) -> Answer:
    """One check run."""
    return Answer(render_reports.check_run(call.world, call.repository, _run(call)))


@endpoint("GET", _ONE + "/annotations", permission="checks:read")
def list_annotations(call: Call) -> Answer:
    """A check run's annotations in the order in which they were added."""
    run = _run(call)
    page_url = render.page_url(call.world, call.repository)
    page, headers = call.page(run.annotations)
    body = [
        {
            "path": one["path"],
            "blob_href": f"{page_url}/blob/{run.head_sha}/{one['path']}",
            "start_line": one["start_line"],
            "end_line": one["end_line"],
            "start_column": one.get("start_column"),
            "end_column": one.get("end_column"),
            "annotation_level": one["annotation_level"],
            "title": one.get("title"),
            "message": one["message"],
            "raw_details": one.get("raw_details"),
        }
        for one in page
    ]
    return Answer(body, headers=headers)


@endpoint("GET", "/repos/{owner}/{repo}/commits/{ref}/check-runs", permission="checks:read")
def list_check_runs_of_ref(call: Call) -> Answer:
    """Check runs of a commit, newest first."""
    sha = _commit(call, call.path["ref"])
    age(call.world, call.repository)
    return _run_list(
        call, [run for run in call.repository.check_runs.values() if run.head_sha == sha]
    )


@endpoint("GET", _SUITE + "/check-runs", permission="checks:read")
def list_check_runs_of_suite(call: Call) -> Answer:
    """Check runs of a suite, newest first."""
    age(call.world, call.repository)
    return _run_list(call, runs_of(call.repository, _suite(call)))


@endpoint("GET", _SUITE, permission="checks:read")
def get_check_suite(call: Call) -> Answer:
    """One check suite."""
    return Answer(render_reports.check_suite(call.world, call.repository, _suite(call)))


@endpoint("GET", "/repos/{owner}/{repo}/commits/{ref}/check-suites", permission="checks:read")
def list_check_suites(call: Call) -> Answer:
    """Check suites of a commit, one for each App."""
    sha, app_id = _commit(call, call.path["ref"]), call.query.get("app_id")
    found = [
        suite
        for suite in call.repository.suites
        if suite.head_sha == sha and app_id in (None, str(suite.app.id))
    ]
    page, headers = call.page(found)
    rendered = [render_reports.check_suite(call.world, call.repository, one) for one in page]
    return Answer({"total_count": len(found), "check_suites": rendered}, headers=headers)


@endpoint("POST", _ONE + "/rerequest", permission="checks:write")
def rerequest_check_run(call: Call) -> Answer:
    """Ask the App to run a check again. The run itself does not change."""
    rerequest(call.events, call.repository, _run(call), call.caller.account)
    return Answer({}, 201)


@endpoint("POST", _SUITE + "/rerequest", permission="checks:write")
def rerequest_check_suite(call: Call) -> Answer:
    """Ask the App to run all checks of a commit again."""
    rerequest_suite(call.events, call.repository, _suite(call), call.caller.account)
    return Answer({}, 201)


def _calling_app(call: Call) -> App:
    if call.caller.installation is None:
        raise GitHubError(403, "You must authenticate via a GitHub App.")
    return call.caller.installation.app


def _commit(call: Call, reference: str) -> str:
    reference = reference.removeprefix("heads/").removeprefix("tags/")
    try:
        return call.repository.git.commit_sha(reference)
    except UnknownObject:
        raise no_commit(reference) from None


def _run(call: Call) -> CheckRun:
    run = call.repository.check_runs.get(call.path["check_run_id"])
    if run is None:
        raise not_found()
    age(call.world, call.repository)
    return run


def _suite(call: Call) -> CheckSuite:
    for suite in call.repository.suites:
        if suite.id == call.path["check_suite_id"]:
            return suite
    raise not_found()


def _run_list(call: Call, runs: list[CheckRun]) -> Answer:
    name, status, app_id = (call.query.get(key) for key in ("check_name", "status", "app_id"))
    if call.query.get("filter", "latest") == "latest":
        runs = latest(runs)
    runs = [
        run
        for run in runs
        if name in (None, run.name)
        and status in (None, run.status)
        and app_id in (None, str(run.suite.app.id))
    ]
    page, headers = call.page(sorted(runs, key=lambda run: -run.id))
    rendered = [render_reports.check_run(call.world, call.repository, run) for run in page]
    return Answer({"total_count": len(runs), "check_runs": rendered}, headers=headers)


def _check_rules(body: Json) -> None:
    """What GitHub asks of a check run beyond the form of its fields."""
    completed = body.get("status") == "completed" or "completed_at" in body
    if completed and "conclusion" not in body:
        raise validation_failed("CheckRun", "conclusion", "conclusion is required when completed")
    output = body.get("output", {})
    for field in ("summary", "text"):
        _check_bytes(field, output.get(field), OUTPUT_BYTES)
    for annotation in output.get("annotations", ()):
        for field in ("message", "raw_details"):
            _check_bytes(field, annotation.get(field), ANNOTATION_BYTES)
        columns = "start_column" in annotation or "end_column" in annotation
        if columns and annotation["start_line"] != annotation["end_line"]:
            raise invalid_request(
                "Annotations only support start_column and end_column on the same line."
            )
    for field in ("started_at", "completed_at"):
        if field in body:
            try:
                normalised(body[field])
            except ValueError:
                raise invalid_request(f"{body[field]} is not a valid date-time.") from None


def _check_bytes(field: str, text: str | None, limit: int) -> None:
    # The description of the API says characters; GitHub counts bytes (github/docs#35252).
    if text is not None and len(text.encode()) > limit:
        raise validation_failed("CheckRun", field, f"{field} exceeds a maximum bytesize of {limit}")


def _apply(call: Call, run: CheckRun) -> None:
    body = call.body
    run.name = body.get("name", run.name)
    run.details_url = body.get("details_url", run.details_url)
    run.external_id = body.get("external_id", run.external_id)
    run.actions = body.get("actions", run.actions)
    if "started_at" in body:
        run.started_at = normalised(body["started_at"])
    _apply_state(call, run)
    output = body.get("output", {})
    for field in ("title", "summary", "text"):
        if field in output:
            run.output[field] = output[field]
    run.annotations.extend(output.get("annotations", ()))


def _apply_state(call: Call, run: CheckRun) -> None:
    conclusion = call.body.get("conclusion")
    if conclusion:
        run.status, run.conclusion = "completed", conclusion
        given = call.body.get("completed_at")
        run.completed_at = normalised(given) if given else call.world.clock.stamp()
    elif run.status != "completed":
        run.status = call.body.get("status", run.status)
    # A completed run stays so: GitHub answers 200 and leaves the status as it is
    # (Mergifyio/mergify#1989, tektoncd/pipelines-as-code#998, taskcluster/taskcluster#5085).


def _after_change(call: Call, run: CheckRun, *, was_completed: bool) -> None:
    sender = call.caller.account
    if run.status == "completed" and not was_completed:
        call.events.check_run("completed", call.repository, sender, run)
    if sum_up(call.world, call.repository, run.suite):
        call.events.check_suite("completed", call.repository, sender, run.suite)
