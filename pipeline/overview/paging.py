"""Read-only transactions, and pages of a list that stay fast however long the list is.

A page is asked for by the row that it starts after (keyset pagination): no `OFFSET`, so the
thousandth page costs what the first one does, and rows that arrive meanwhile move nothing.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from config.database import Connection, transaction

PAGE_SIZE = 50
MAX_PAGE_SIZE = 200

# A page that takes longer than this has met a bug or an overloaded database: the reader gets an
# answer that says so, and the database gets its connection back.
_STATEMENT_TIMEOUT = "5s"


class _Row(Protocol):
    @property
    def id(self) -> int: ...


R = TypeVar("R", bound=_Row)


@contextmanager
def reading() -> Iterator[Connection]:
    """A transaction that sees one moment of the database and cannot change it.

    Raises:
        psycopg.OperationalError: when PostgreSQL is away or takes too long.
    """
    with transaction() as connection:
        connection.execute(
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; "
            f"SET LOCAL statement_timeout = '{_STATEMENT_TIMEOUT}'"
        )
        yield connection


def newest_of(rows: str, *, private: bool, oldest_first: bool) -> str:
    """The SQL of a page of a list, whose indexes keep what is public and what is private apart.

    Args:
        rows: A SELECT with a WHERE, whose last names are those of a table with `id` and `private`.
        private: Also private rows. They are read beside the others, a page of each at most.
        oldest_first: For a window with `after`.
    """
    order = f"ORDER BY id{'' if oldest_first else ' DESC'} LIMIT %(limit)s"
    public = f"{rows} AND NOT private {order}"
    if not private:
        return public
    return f"(({public}) UNION ALL ({rows} AND private {order})) {order}"


@dataclass(frozen=True)
class Window:
    """Which rows of a list, newest first, are wanted.

    Attributes:
        before: Only rows older than this id: the next page.
        after: Only rows newer than this id: the previous page. Wins over `before`.
        size: How many.
    """

    before: int | None = None
    after: int | None = None
    size: int = PAGE_SIZE

    def parameters(self) -> dict[str, int | None]:
        """The SQL parameters of a list query. One row more than wanted tells whether there is a
        next page."""
        return {
            "before": None if self.after is not None else self.before,
            "after": self.after,
            "limit": min(self.size, MAX_PAGE_SIZE) + 1,
        }


@dataclass(frozen=True)
class Page(Generic[R]):
    """Rows, newest first, and the ids that ask for the pages beside them (None: no such page)."""

    rows: tuple[R, ...]
    older: int | None
    newer: int | None


def cut(rows: Sequence[R], window: Window) -> Page[R]:
    """The page out of the rows that a list query gave for `window.parameters()`, in its order:
    newest first, or, with `after`, oldest first."""
    size = min(window.size, MAX_PAGE_SIZE)
    more = len(rows) > size
    kept = list(rows[:size])
    if window.after is not None:
        kept.reverse()
        has_older, has_newer = True, more
    else:
        has_older, has_newer = more, window.before is not None
    if not kept:
        return Page((), older=None, newer=None)
    return Page(
        tuple(kept),
        older=kept[-1].id if has_older else None,
        newer=kept[0].id if has_newer else None,
    )
