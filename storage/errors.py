"""What storage raises.

StorageError                anything a user can mend: the message is one clear line
├── SubjectError            a subject that cannot be read: file, what is wrong, what is allowed
├── DatasetError            a dataset that cannot be opened, grown or written
├── SampleError             a sample that does not fit its dataset; others may
└── ExportError             an export that cannot be written where it is asked for
"""


class StorageError(Exception):
    """Base of everything storage raises on bad input; its text is one line for the user."""


class SubjectError(StorageError):
    """A subject, or the folder that should hold it, cannot be used."""


class DatasetError(StorageError):
    """A dataset cannot be opened, written or continued."""


class SampleError(StorageError):
    """A sample does not fit the dataset it was made for: shape, labels, NaN."""


class ExportError(StorageError):
    """An export cannot be made, or not there."""
