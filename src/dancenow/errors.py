"""The one exception that users are meant to read.

Everything that is the input's fault is raised as `UserError`: one sentence that says what is wrong and what to do.
The command line prints it without a traceback and exits with status 2.
"""


class UserError(Exception):
    """Bad input, said in one sentence that names the input and the remedy."""
