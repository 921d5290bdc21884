"""The tree of errors is drawn where it is defined."""

from mobile_model.updater import errors
from mobile_model.updater.errors import UpdateError


def leaves(kind: type[UpdateError]) -> set[type[UpdateError]]:
    below = kind.__subclasses__()
    return {kind} if not below else set().union(*map(leaves, below))


def test_every_error_of_the_tree_is_drawn_where_it_is_defined():
    for error in leaves(UpdateError):
        assert f"+- {error.__name__} " in errors.__doc__
