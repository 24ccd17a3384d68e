"""What a manifest can be: wrong. Raised by this package, caught by those who read manifests."""

from fluvio_protocol.errors import ErrorCode, FluvioError


class BadManifest(FluvioError):
    """A manifest does not have the shape its kind asks for; the text says where and why."""

    code = ErrorCode.INVALID_CREATE_REQUEST
