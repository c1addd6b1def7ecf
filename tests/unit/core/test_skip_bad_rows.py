"""Rows that cannot be stored are left out of a batch, and every other row is written once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.errors import StoreError, UnstorableError
from shadow.store.rows.names import unstorable
from shadow.store.write.skip_bad_rows import write_all_but_bad


class Table:
    """Rows written in transactions: all rows of a call, or none if one of them is bad.

    With `names` the error names the bad rows, as the store does for rows that it refuses itself.
    """

    def __init__(self, bad=(), *, names=False):
        self.bad = set(bad)
        self.names = names
        self.rows = []
        self.calls = 0

    def write(self, rows):
        self.calls += 1
        if bad := sorted(self.bad & set(rows)):
            raise unstorable({str(row): "NUL" for row in bad}) if self.names else UnstorableError((), "NUL")
        self.rows.extend(rows)


CASES = st.integers(0, 40).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, max(0, n - 1)))))


@given(CASES, st.booleans())
def test_bad_rows_are_left_out_and_every_other_row_is_written_once(case, names):
    count, bad = case
    table = Table(bad, names=names)
    left_out = write_all_but_bad(range(count), table.write, exchange_id=str)
    assert [row for row, _ in left_out] == sorted(bad & set(range(count)))
    assert sorted(table.rows) == sorted(set(range(count)) - bad)


def test_one_bad_row_among_many_takes_few_further_transactions():
    table = Table({77})
    write_all_but_bad(range(512), table.write)
    assert table.calls <= 2 * 9 + 1


def test_rows_that_the_error_names_are_left_out_at_once_each_with_its_reason():
    table = Table({3, 77, 400}, names=True)
    left_out = write_all_but_bad(range(512), table.write, exchange_id=str)
    assert table.calls == 2
    assert [(row, str(error)) for row, error in left_out] == [(3, "NUL"), (77, "NUL"), (400, "NUL")]


def test_a_row_on_which_our_code_fails_is_left_out_too():
    def write(rows):
        for row in rows:
            {1: "one"}[row]

    ((row, error),) = write_all_but_bad([1, 2], write)
    assert (row, type(error)) == (2, KeyError)


def test_no_row_is_blamed_while_the_database_is_down():
    def write(_rows):
        raise StoreError("connection refused")

    with pytest.raises(StoreError):
        write_all_but_bad([1, 2, 3], write)
