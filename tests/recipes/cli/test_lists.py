"""Values in a row become what the parser knows."""

import pytest

from recipes.cli.lists import ListKind, join_values

OPTIONS = {"--names": ListKind.NAMES, "--numbers": ListKind.NUMBERS, "--each": ListKind.REPEATED}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("--names a b c", "--names a,b,c"),
        ("--names a, b", "--names a,b"),
        ("x --names a,b --other c d", "x --names a,b --other c d"),
        ("--numbers 1 10 x", "--numbers 1,10 x"),
        ("--numbers 0.5 2 --names a", "--numbers 0.5,2 --names a"),
        ("--numbers many 2", "--numbers many,2"),
        ("--each a b -v", "--each a --each b -v"),
        ("--each a --each b", "--each a --each b"),
        ("--names", "--names"),
        ("--names --numbers 1", "--names --numbers 1"),
        ("--names=a b", "--names=a b"),
        ("-- --names a b", "-- --names a b"),
    ],
)
def test_joining(given, expected):
    assert join_values(given.split(), OPTIONS) == expected.split()
