"""Errors of the album. Each carries, in its message, the id or path it is about and what to do next."""

from __future__ import annotations


class AlbumError(Exception):
    """Anything the album refuses or cannot do; the message is meant for a person."""


class MediaError(AlbumError):
    """A photo or video cannot be read."""


class UnsupportedMedia(MediaError):
    """The content is of a type that the album does not take."""


class WeightsError(AlbumError):
    """Weights are missing, incomplete or not the expected ones. Items stay pending."""


class WeightsMissing(WeightsError):
    """Weights are not installed."""


class WeightsCorrupt(WeightsError):
    """A file of the weights differs from its recorded size or SHA-256."""


class DownloadStopped(WeightsError):
    """A person ended the download. What has arrived is kept."""


class NotEnoughMemory(AlbumError):
    """The wanted weights do not fit into this machine's memory."""


class InferenceError(AlbumError):
    """A network failed on a given input."""


class InferenceOutOfMemory(InferenceError):
    """A network ran out of memory; a smaller micro-batch may fit."""


class InferenceCancelled(InferenceError):
    """Inference was ended from outside because it took too long."""


class StorageError(AlbumError):
    """The disk or the database cannot be written. Nothing was kept of what was being stored."""


class StorageFull(StorageError):
    """There is no space left."""


class BackupError(AlbumError):
    """A backup cannot be made, is not whole, or may not be restored here."""


class AccountError(AlbumError):
    """An account, invitation or key cannot be made or changed like that."""


class BatchRefused(AlbumError):
    """A batch, a retry or a download of weights cannot be started like that."""


class QuotaExceeded(AlbumError):
    """An account asked for more than it may within some time; ``retry_after_s`` later it may again."""

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
