"""What is special about S3: retries, conditional writes, and error messages.

Credentials, region and endpoint come from the usual environment (AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL, a profile, a role), and are never read or written here.
"""

from typing import Any

PATIENCE = {
    "config_kwargs": {
        "connect_timeout": 10,
        "read_timeout": 30,
        # botocore repeats requests after 5xx, throttling and broken connections
        "retries": {"mode": "standard", "max_attempts": 5},
    },
    "use_listings_cache": False,
}
"""Options of s3fs, with timeouts in seconds."""

TRIES = 3
"""The number of times that s3fs repeats a request whose answer is incomplete or missing."""

_WORDS = {
    "NoSuchBucket": "the bucket does not exist",
    "InvalidAccessKeyId": "the access key is not known there",
    "SignatureDoesNotMatch": "the secret key is wrong",
    "AccessDenied": "these credentials may not do that",
    "QuotaExceeded": "the bucket is full",
}


def is_s3(url: str) -> bool:
    """Return whether a URL is of S3."""
    return url.startswith(("s3://", "s3a://"))


def request_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions that a request may raise."""
    try:
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        return (OSError,)
    return (OSError, BotoCoreError, ClientError)


def error_code(error: BaseException) -> tuple[str, int]:
    """Return S3's name of an error and the HTTP status, or ("", 0) for any other error."""
    # an exception of botocore, which is untyped
    cause: Any = error if hasattr(error, "response") else error.__cause__
    response = getattr(cause, "response", None) or {}
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return str(response.get("Error", {}).get("Code", "")), int(status)


def failure_reason(error: BaseException) -> str:
    """Return the reason why a request failed, for one line."""
    code, status = error_code(error)
    if status >= 500:
        return (
            f"the server answers {code} ({status}) again and again; it may be full or out of order"
        )
    if code in _WORDS:
        return f"{_WORDS[code]} ({code})"
    if type(error).__name__ in ("NoCredentialsError", "PartialCredentialsError"):
        return "no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a role"
    strerror = getattr(error, "strerror", None)
    return strerror or str(error) or type(error).__name__


def is_conflict(error: BaseException) -> bool:
    """Return whether a conditional write failed because the object has changed."""
    code, status = error_code(error)
    return status in (409, 412) or code in ("PreconditionFailed", "ConditionalRequestConflict")


def swap(fs: Any, path: str, old: bytes, new: bytes) -> bool:
    """Replace an object if it has not changed since it was read.

    Args:
        fs: The file system of s3fs, which is untyped.
        path: The path of the object, with its bucket.
        old: The bytes that were read.
        new: The bytes to write.

    Returns:
        Whether the object was replaced.
    """
    etag = fs.info(path, refresh=True)["ETag"]
    if fs.cat_file(path) != old:
        return False
    bucket, key, _ = fs.split_path(path)
    try:
        fs.call_s3("put_object", Bucket=bucket, Key=key, Body=new, IfMatch=etag)
    except request_errors() as error:
        if is_conflict(error):
            return False
        raise
    return True
