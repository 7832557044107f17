"""The error of the user's own making, which every room raises and the scripts print."""


class UserError(ValueError):
    """A request that cannot be met, and that the user can mend.

    The command line prints it in one line, with the option as a flag, and exits with code 2;
    in Python it is a ValueError. Messages name options without dashes.

    Args:
        message: what is wrong and what to do, in one line.
        option: name of the option at fault, a flag of the scripts and an argument in Python; empty
            if it is none, such as a damaged file.

    Attributes:
        option: as given.
    """

    def __init__(self, message: str, option: str = ""):
        super().__init__(f"{option}: {message}" if option else message)
        self.option = option
