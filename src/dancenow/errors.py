"""The errors that dancenow raises on purpose.

`UserError` and its subclasses are the user's to solve: one sentence that names the problem and the remedy. The command line
prints the sentence without a traceback and exits with status 2. A program can catch the subclass that it can handle.

    DancenowError
    ├── UserError
    │   ├── InputError        a file cannot be read, or its content does not suit
    │   ├── OutputError       a file cannot be written: permissions, disk full, a name that is taken
    │   ├── OptionError       an option or argument has a value that makes no sense
    │   ├── ConsentError      consent is missing, incomplete or withdrawn
    │   ├── ModelError        a checkpoint is damaged, of another version or of another kind
    │   ├── TrainingError     training diverges, runs out of memory, or cannot be resumed
    │   ├── DeviceError       the requested device is not available
    │   └── DependencyError   an optional package is missing
    │       └── DownloadError     a pretrained file cannot be downloaded
    └── Cancelled             a call was stopped through its cancel token
"""


class DancenowError(Exception):
    """Base of every error that dancenow raises on purpose."""


class UserError(DancenowError):
    """Bad input, described in one sentence that names the input and the remedy."""


class InputError(UserError):
    """A file cannot be read, or its content does not suit: not a video, no person in it, damaged."""


class OutputError(UserError):
    """A file cannot be written: no permission, disk full, or the name belongs to something else."""


class OptionError(UserError):
    """An option or argument has a value that makes no sense."""


class ConsentError(UserError):
    """The consent of a person is missing, incomplete or withdrawn."""


class ModelError(UserError):
    """A checkpoint is damaged, of another version, or of another kind than needed."""


class TrainingError(UserError):
    """Training diverges, runs out of memory, or cannot be resumed."""


class DeviceError(UserError):
    """The requested device is not available."""


class DependencyError(UserError):
    """An optional package is missing."""


class DownloadError(DependencyError):
    """A pretrained file cannot be downloaded, or the download has the wrong content."""


class Cancelled(DancenowError):
    """A call was stopped through its cancel token. Nothing is left half-written; finished work is kept."""
