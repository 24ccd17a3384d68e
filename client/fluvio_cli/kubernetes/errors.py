"""How asking Kubernetes fails. Every error is a Failure: its text is all that people see."""

from fluvio_cli.failure import Failure


class KubernetesError(Failure):
    """Kubernetes could not be asked, or did not do what it was asked for."""


class Unreachable(KubernetesError):
    """No answer came; a later try may succeed."""


class Refused(KubernetesError):
    """The API server answered with an error. status: of HTTP; reason: as Kubernetes names it."""

    def __init__(self, message: str, *, status: int, reason: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason

    @property
    def for_now(self) -> bool:
        """A later try may succeed."""
        return self.status == 429 or self.status >= 500 or self.reason == "Conflict"


def in_one_line(error: BaseException) -> str:
    """What an error says, without line breaks; its class when it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__
