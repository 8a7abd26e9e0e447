"""The error that a failed check raises."""


class BrokenContractError(Exception):
    """An entry does not do what every entry of its kind must."""


def demand(condition: bool, fault: str) -> None:
    """Raise an error unless the condition holds.

    Raises:
        BrokenContractError: it does not; the text says what is wrong.
    """
    if not condition:
        raise BrokenContractError(fault)
