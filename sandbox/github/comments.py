"""Issues, and what people and Apps write below them and below pull requests."""

from sandbox.github import events_pulls
from sandbox.github.errors import GitHubError, validation_failed
from sandbox.github.events import Events
from sandbox.github.world import App, Repository, User, World
from sandbox.github.world_pulls import Comment, Issue, Reaction

BODY_CHARACTERS = 65_536
TITLE_CHARACTERS = 256


def check_text(resource: str, title: str | None, body: str | None) -> None:
    """Refuse a title or a text that is too long, and a title that says nothing.

    Raises:
        GitHubError: 422 in GitHub's words.
    """
    if title is not None and not title.strip():
        missing = {"resource": resource, "code": "missing_field", "field": "title"}
        raise GitHubError(422, "Validation Failed", errors=[missing])
    limits = {"title": (title, TITLE_CHARACTERS), "body": (body, BODY_CHARACTERS)}
    for name, (text, limit) in limits.items():
        if text is not None and len(text) > limit:
            words = f"{name} is too long (maximum is {limit} characters)"
            raise validation_failed(resource, name, words)


class Comments:
    """Changes the issues and comments of one repository and announces what it changed."""

    def __init__(self, world: World, events: Events, repository: Repository) -> None:
        self._world = world
        self._events = events
        self._repository = repository
        self._conversation = repository.conversation

    def open_issue(self, title: str, body: str | None, author: User, app: App | None) -> Issue:
        """A new issue that is no pull request."""
        check_text("Issue", title, body)
        world, now = self._world, self._world.clock.stamp()
        with world.lock:
            number = next(self._conversation.numbers)
            issue = Issue(world.new_id("issue"), number, author, app, title, body, now, now)
            self._conversation.issues[number] = issue
        events_pulls.issues(self._events, "opened", self._repository, author, issue)
        return issue

    def create(self, issue: Issue, body: str, author: User, app: App | None) -> Comment:
        """A new comment.

        Raises:
            GitHubError: 422 for a text that is empty or too long.
        """
        _check(body)
        world, now = self._world, self._world.clock.stamp()
        comment = Comment(world.new_id("comment"), issue.number, author, app, body, now, now)
        with world.lock:
            self._conversation.comments[comment.id] = comment
            issue.updated_at = now
        events_pulls.issue_comment(self._events, "created", self._repository, author, comment)
        return comment

    def edit(self, comment: Comment, body: str, user: User) -> None:
        """Write another text in its place.

        Raises:
            GitHubError: 422 for a text that is empty or too long.
        """
        _check(body)
        before = comment.body
        comment.body, comment.updated_at = body, self._world.clock.stamp()
        if before != body:
            changes = {"body": {"from": before}}
            events_pulls.issue_comment(
                self._events, "edited", self._repository, user, comment, changes
            )

    def delete(self, comment: Comment, user: User) -> None:
        """Take a comment away."""
        with self._world.lock:
            del self._conversation.comments[comment.id]
        events_pulls.issue_comment(self._events, "deleted", self._repository, user, comment)

    def react(self, comment: Comment, user: User, content: str) -> tuple[Reaction, bool]:
        """Leave an emoji, each once; with whether it is new. GitHub sends no event for it."""
        with self._world.lock:
            for one in comment.reactions:
                if one.user is user and one.content == content:
                    return one, False
            number, now = self._world.new_id("reaction"), self._world.clock.stamp()
            reaction = Reaction(number, user, content, now)
            comment.reactions.append(reaction)
        return reaction, True


def _check(body: str) -> None:
    if not body.strip():
        blank = {
            "resource": "IssueComment",
            "code": "unprocessable",
            "field": "data",
            "message": "Body cannot be blank",
        }
        raise GitHubError(422, "Validation Failed", errors=[blank])
    check_text("IssueComment", None, body)
