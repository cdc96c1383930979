"""The errors that storage raises.

StorageError                an error that a user can correct: the message is one line
├── SubjectError            a subject that cannot be read: file, what is wrong, what is allowed
├── DatasetError            a dataset that cannot be opened, grown or written
├── SampleError             a sample that does not fit its dataset; other samples may
└── ExportError             an export that cannot be written to the requested place
"""


class StorageError(Exception):
    """Base of all errors that storage raises on bad input; its text is one line for the user."""


class SubjectError(StorageError):
    """A subject, or the folder that should hold it, cannot be used."""


class DatasetError(StorageError):
    """A dataset cannot be opened, written or continued."""


class SampleError(StorageError):
    """A sample does not fit its dataset, e.g. by its shape, its labels or NaN in its image."""


class ExportError(StorageError):
    """An export cannot be made, or cannot be written to the requested place."""
